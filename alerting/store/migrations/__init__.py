"""Numbered changes of the tables, a folder for each kind of store."""
