"""Text tables (CSV and its relatives): what dialect a file has, and its cells as numbers and times.

`stream` gives the text, `records` cuts it, `dialect` and `layout` find out once what is where,
`parse` makes columns of text, `values` and `times` convert them.
"""
