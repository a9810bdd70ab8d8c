"""Alerts recomputed: from their own evidence, from the topic behind them, and against another run.

alert_record.py   an alert as it was written, checked and typed
alert_history.py  all transitions of an alert, and the pairing of the alerts of two runs
settings.py       the settings behind an alert, and the differences of two
recompute.py      from the evidence alone
history.py        from the topic or the files: the job's own machine over one source
page.py           the drawing of an alert
compare.py        differences between the alerts of two runs, and their reasons
renamed.py        old alerts under present names
"""
