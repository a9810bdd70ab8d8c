"""Formats of log lines: recognised line by line, joined to records, read into one shape."""
