"""The words that a sentence about alerts may use: some say nothing, some have to be true."""

__all__ = [
    "ALLOWED_WORDS",
    "CLAIMS",
    "COUNTED",
    "COUNTS",
    "LIMITS",
    "NEVER",
    "PLAIN",
    "SCORES",
    "SPREADS",
    "VALUES",
]


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


PLAIN = _words(
    """
    a an and are as at by for from had has have in into is it its of on one or s that the their
    them there these this those to was were where which while with also including namely
    respectively alert alerts series machine machines source sources metric metrics incident
    anomaly anomalies value values reading readings window windows sample samples signal signals
    measurement measurements measured observed recorded reported detected raised triggered fired
    flagged seen shown shows showed indicates indicated reached reaches level levels limit limits
    threshold thresholds bound bounds range band allowed permitted configured rule detector
    detectors detection score scores scored scoring severity severe rated marked labelled
    classified status state crossed crosses crossing passed deviated deviates deviation deviations
    compared against usual normal expected typical spread spreads than more outside beyond began
    begin begins beginning opens opened opening started start starts starting time times together
    during within between since until before lasted lasting lasts duration long utc minute minutes
    min second seconds sec hour hours h affected affects involved involves concerned concerns
    belongs belong part each members member unit units total counted number another other
    """
)
"""Words that say nothing by themselves, or whose numbers are checked elsewhere."""

CLAIMS: dict[str, str] = {
    word: claim
    for claim, words in {
        "up": "above higher high rose rise rises rising exceeded exceeds exceeding increased "
        "increases increase upper over-limit climbed climbs",
        "down": "below lower low fell fall falls falling dropped drops drop decreased decreases "
        "decrease sank under",
        "open": "open ongoing still active unresolved firing",
        "over": "resolved ended closed ends finished",
        "CRITICAL": "critical",
        "WARNING": "warning",
        "INFO": "info informational",
        "first": "first earliest initially initial",
        "late": "then next later followed following after subsequently last",
        "cause": "cause likely probable origin",
        "all": "all every only entire whole",
        "two": "both",
    }.items()
    for word in words.split()
}
"""What a word says of every alert that its sentence cites."""

NEVER = _words("not no never none nor neither cannot without false harmless ignore")
"""Words that turn a sentence around; not even the name of a series excuses them."""

COUNTS = {
    "zero": 0, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7,
    "eight": 8, "nine": 9, "ten": 10, "eleven": 11, "twelve": 12,
}  # fmt: skip
COUNTED = {
    "alert": "alerts", "alerts": "alerts", "anomaly": "alerts", "anomalies": "alerts",
    "series": "series", "source": "sources", "sources": "sources", "machine": "sources",
    "machines": "sources", "metric": "metrics", "metrics": "metrics",
}  # fmt: skip
SCORES = _words("score scores scored scoring")
LIMITS = _words(
    "limit limits threshold thresholds bound bounds allowed permitted than above below exceeded "
    "exceeds exceeding crossed crosses crossing outside beyond over under passed expected"
)
VALUES = _words(
    "value values reading readings measured was were is reached reaches at to rose fell dropped "
    "climbed observed recorded"
)
SPREADS = _words("spread spreads")

ALLOWED_WORDS = tuple(sorted(PLAIN | set(CLAIMS) | set(COUNTS)))
