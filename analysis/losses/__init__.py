"""What a run lost, in plain words: the reasons with their remedies, and whether it failed.

`remedies` finds the option that mends a loss, with its value guessed from the example; `report`
writes the lines that a run begins and ends with, and decides whether a bounded run has failed;
`warmup` explains why no series has been judged yet. All of it is pure.
"""
