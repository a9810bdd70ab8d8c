"""`padit look`: what a job would read of an input, what it would not, and why.

`survey` reads a bounded part of a source through the code of the job; `page` shows the result to
people, in 80 columns.
"""
