"""Sentences for the tests of the Korean page: real ones of detectors; a value for each place."""

__all__ = ["OTHERS", "SAID", "VALUES", "WORDS"]

# By detector, as it writes them; `rule` and `no_data` and all others of the registry.
SAID = {
    "rule": ("median 64.7 > 61.5", "max 3.2e+06 >= 80 and count 3 < 10"),
    "usual": (
        "torque_nm 64.7 Nm, above its usual 35.2 to 48.1",
        "rtt 0.0001235 s, below its usual -2e+09 to 48.1",
        "rpm 1523, higher than usual 1400 to 1501", "rpm 1523, lower than usual 1600 to 1700",
        "rpm 1523, highest in 900 samples", "rpm 12 1/min, lowest in 900 samples",
        "rpm 1523, between its usual values", "rpm 1523, noisier or calmer than usual",
        "rpm 1523, the same for 90 seconds", "rpm 1523, not usual at this time",
    ),
    "novelty": (
        "rtt 48.3 ms, highest in 14 days; usual 4.6 to 5.52",
        "rtt 1 ms, lowest in 1 second; usual 4.6 to 5.52",
        "rtt 1 ms, not seen in 3 hours; usual 4.6 to 5.52",
        "variation of 8 samples 3.2, not seen in 3 hours; usual 0 to 1",
        "departure from the mean of 32 samples 3.2, not seen in 3 hours; usual 0 to 1",
        "departure from what the 8 samples before imply 3.2, not seen in 3 hours; usual 0 to 1",
    ),
    "residual": (
        "rtt 15 ms; usual at this hour 4.637 to 5.52; seasons found: 1 day",
        "rtt 15 ms; usual at this hour of the week 4 to 5; seasons found: 1 day, 7 days",
        "rtt 15 ms; usual at this minute of the hour 4 to 5; seasons found: 1 hour",
        "rtt 15 ms; usual at this phase of 4.8 minutes 4 to 5; seasons found: 4.8 minutes",
        "rtt 15 ms, highest in 2 hours; usual 4 to 5; seasons found: none",
        "rtt 15 ms, lowest in 2 hours; usual 4 to 5; seasons found: 30 s",
        "rtt 15 ms, 3.1 from the mean of 32 samples, farthest in 2 hours; "
        "usual 4 to 5; seasons found: none",
    ),
    "no_data": (
        "no sample for 5.0 s; usual gap 1.0 s, longest of the last 128 2.0 s; "
        "last value 45.1 Nm at 2026-01-05T06:29:00.000000Z",
        "no sample for 4 min 10 s; usual gap 0.02 s, longest of the last 9 1 d 1 h; "
        "last value 45.1 at 2026-01-05T06:29:00.000000Z; all 3 series of the source have no data",
        "no sample for 1 h; usual gap 1.0 s, longest of the last 128 2.0 s; "
        "last value nan at 2026-01-05T06:29:00.000000Z; 2 of 3 series of the source have no data",
    ),
    "changepoint": (
        "level moved up by 5.2 standard deviations from 44.1 at 2026-01-05T06:29:00.000000Z",
        "level moved down by 5.2 standard deviations from -4 at 2026-01-05T06:29:00.000000Z",
    ),
    "discord": (
        "rpm 12 1/min, the last 16 samples are like none of the 900 before, 1.4 times the limit",
        "rpm goes on as before",
    ),
    "lasting": (
        "rpm 12, higher for longer than ever: 40 windows",
        "rpm 12, lower for longer than ever: 40 windows",
        "rpm 12, beyond where it fell back before: once at about 200",
        "rpm 12, beyond where it fell back before: 12 times at about 200",
        "rpm 12, beyond where it rose again before: 12 times at about 200",
        "rpm 12, beyond where it rose again before",
    ),
    "relation": (
        "rpm 12 1/min, does not follow torque_nm: 14 to 15.2 expected",
        "rpm has no partner to follow",
    ),
    "multivariate": (
        "rpm 12 1/min is unusual with torque_nm 4.1: expected 14 to 15.2 "
        "(means of 8 rows, 5.1 standard deviations)",
        "press-1 is still being learnt",
    ),
    "model": (
        "torque_nm 64 Nm (mean of 8 rows) is above 61.5, the highest recorded",
        "torque_nm x rpm 6,412 is below 7,000, the lowest recorded",
        "torque_nm 64 Nm does not fit the other metrics, which imply 44.1: "
        "T2 91, the recording stayed below 44",
        "torque_nm 64 Nm: so high a torque_nm with so low a rpm was never recorded, "
        "though 12.1 such rows were to be expected",
        "press-1 lacks a metric of the model, or a sample of it",
    ),
}  # fmt: skip
OTHERS = ("warming up",)

# What stands for a place of a form: in English, and in Korean where that is another.
VALUES: dict[str, tuple[str, str]] = {
    name: ("64.7", "64.7") for name in ("n", "m", "k", "low", "high", "most", "share")
} | {
    name: ("14 days", "14일") for name in ("length", "usual", "longest")
} | {
    "time": ("2026-01-05T06:29:00Z", "2026-01-05T06:29:00Z"), "side": ("high", "높은"),
    "other": ("low", "낮은"), "op": (">", ">"), "op2": (">=", ">="), "run": ("A", "A"),
    "severity": ("WARNING", "경고"), "kind": ("opened", "시작"), "role": ("admin", "관리"),
    "mine": ("viewer", "조회"),
    "conditions": ("median 1 > 2 and max 3 > 2", "median 1 > 2, max 3 > 2"),
    "when": (" at this hour", " 이 시각에"), "seasons": ("7 days, 4 hours", "7일, 4시간"),
}  # fmt: skip

# Words in Latin letters that a Korean page may show: names of programs, options, formats, keys.
WORDS = frozenset(
    """
    padit kafka postgresql redis yaml json curl utc english id url api esc shift enter config
    deliver metrics log csv min_score severity critical warning info a b
    """.split()  # noqa: SIM905
)
