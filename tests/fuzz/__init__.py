"""Fuzzing of the record codecs, guided by coverage; see `__main__`."""
