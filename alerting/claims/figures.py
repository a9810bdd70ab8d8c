"""Whether each number of a sentence is one of its evidence, in the role that it has there."""

import re
from collections.abc import Callable, Iterator, Sequence

from padit.alerting.claims.evidence import NUMBER, Evidence
from padit.alerting.claims.words import COUNTED, COUNTS, LIMITS, SCORES, SPREADS, VALUES

__all__ = ["figure_fault"]

_TOKEN = re.compile(rf"{NUMBER.pattern}|[^\W\d_]+|[<>=]")
_UNITS = {"s": 1, "sec": 1, "second": 1, "seconds": 1, "min": 60, "minute": 60, "minutes": 60,
          "h": 3600, "hour": 3600, "hours": 3600}  # fmt: skip
_ADJECTIVES = frozenset(
    """
    open critical warning info more other affected further usual anomalous ongoing resolved
    closed different
    """.split()  # noqa: SIM905
)
_ALL = frozenset(["there", "incident", "total", "counted", "comprises", "includes", "has"])
_LENGTHS = frozenset(["lasted", "lasting", "lasts", "duration", "long", "during"])
_NORMAL = frozenset(["usual", "normal", "expected", "typical"])
_MOST_ROUNDED = 0.03
_Token = tuple[int, str]


def figure_fault(
    rest: str, cited: Sequence[Evidence], near: Callable[[int], Sequence[Evidence]]
) -> str:
    """What is wrong with a number; empty: nothing.

    Args:
        rest: of the sentence, in small letters, its names and times overwritten by blanks.
        cited: evidence that it cites.
        near: which of it a place in the sentence is about.
    """
    tokens = [(one.start(), one[0]) for one in _TOKEN.finditer(rest)]
    for at, (place, text) in enumerate(tokens):
        if NUMBER.fullmatch(text):
            if not _is_of(tokens, at, cited, near(place)):
                return f"{text} is no such number of what it cites"
        elif text in COUNTS:
            noun = _noun(tokens, at)
            if noun is None and text == "one":
                continue  # a pronoun
            if noun is None or not _counts(float(COUNTS[text]), noun, tokens, cited):
                return f"{text} is not how many it cites"
    return ""


def _noun(tokens: Sequence[_Token], at: int) -> str | None:
    """What a number counts, if it does."""
    for _, word in tokens[at + 1 : at + 4]:
        if word in COUNTED:
            return COUNTED[word]
        if word not in _ADJECTIVES and word not in ("of", "the"):
            return None
    return None


def _counts(value: float, noun: str, tokens: Sequence[_Token], cited: Sequence[Evidence]) -> bool:
    here = {
        "alerts": len(cited),
        "series": len({(one.source, one.metric) for one in cited}),
        "sources": len({one.source for one in cited}),
        "metrics": len({one.metric for one in cited}),
    }[noun]
    whole = any(word in _ALL for _, word in tokens)
    return value == here and (not whole or len(cited) == cited[0].total)


def _is_of(
    tokens: Sequence[_Token], at: int, cited: Sequence[Evidence], mine: Sequence[Evidence]
) -> bool:
    text = tokens[at][1]
    is_share = text.endswith("%")
    after = tokens[at + 1][1] if at + 1 < len(tokens) else ""
    beyond = {word for _, word in tokens[at + 1 : at + 4]}
    if is_share:
        return _close(text, (one.score * 100 for one in mine)) or _close(text, _summary(mine))
    noun = _noun(tokens, at)
    if noun is not None:
        return _counts(float(text), noun, tokens, cited)
    if beyond & SPREADS:
        return _close(text, (one.shift for one in mine if one.shift))
    if after in _UNITS:
        lengths = (one.seconds / _UNITS[after] for one in mine if one.closed)
        if _close(text, lengths) or _LENGTHS & {word for _, word in tokens[:at]}:
            return _close(text, (one.seconds / _UNITS[after] for one in mine if one.closed))
    words = [word for _, word in tokens[at + 1 : at + 4]]
    is_apart = words[:1] in (["above"], ["below"], ["over"], ["under"]) and bool(
        _NORMAL & set(words[1:])
    )
    if (at and tokens[at - 1][1] == "by") or is_apart:
        return False  # a difference between two values; the evidence holds none
    return _close(text, _by_role(_role(tokens, at), mine))


def _role(tokens: Sequence[_Token], at: int) -> str:
    """Score, limit or value, by the word before it that says so; the nearest counts."""
    for _, word in reversed(tokens[:at]):
        if word in SCORES:
            return "score"
        if word in LIMITS or word in "<>=":
            return "limit"
        if word in VALUES or word in ("median", "mean", "max", "min"):
            # "the score was 0.9": what was is said before
            earlier = next((w for _, w in reversed(tokens[:at]) if w in SCORES | LIMITS | {"median",
                            "mean", "max", "min"}), "")  # fmt: skip
            if word in ("was", "were", "is", "at", "to", "reached", "reaches") and earlier:
                return ("score" if earlier in SCORES else
                        "limit" if earlier in ("limit", "limits", "threshold", "thresholds",
                                               "bound", "bounds") else "value")  # fmt: skip
            return "value"
    return ""


def _by_role(role: str, mine: Sequence[Evidence]) -> Iterator[float]:
    if role == "score":
        return (one.score for one in mine)
    if role == "limit":
        return (n for one in mine for n in one.limits or one.values)
    if role == "value":
        return (n for one in mine for n in one.values or one.limits)
    return _summary(mine)


def _summary(mine: Sequence[Evidence]) -> Iterator[float]:
    return (n for one in mine for n in (*one.values, *one.limits))


def _close(text: str, known: "Iterator[float]") -> bool:
    """Whether a number, as precisely as it is given, is one of these."""
    digits = text.rstrip("%")
    places = len(digits.partition(".")[2]) if "e" not in digits else 6
    value = float(digits)
    return any(
        abs(round(one, places) - value) < 1e-9 and abs(one - value) <= _MOST_ROUNDED * abs(one)
        for number in known
        for one in (number, abs(number))
    )
