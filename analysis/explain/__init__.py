"""Alerts recomputed: from their own evidence, from the topic behind them, and against another run.

told.py        an alert as it was written, checked and typed
settings.py    what it was made with, and where two settings differ
recompute.py   from the evidence alone
history.py     from the topic or the files: the job's own machine over one source
page.py        drawn
compare.py     two runs: what differs between their alerts, and why
"""
