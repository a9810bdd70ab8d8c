"""Levels of log records: by word in any case, by number on the scale of the logger, by place.

A level that is not in `KNOWN` is not known: such a record counts for no share of errors.
"""

import re
from collections.abc import Callable
from typing import Any

__all__ = ["ERRORS", "KNOWN", "SCALES", "level_by_number", "level_by_word", "level_in_text"]

ERRORS = frozenset(("ERROR", "CRITICAL", "FATAL", "ALERT", "EMERGENCY", "PANIC"))
KNOWN = ERRORS | {"TRACE", "DEBUG", "INFO", "WARNING"}

_NAMES = {
    "TRACE": "TRACE TRC TRCE VERBOSE VRB FINEST FINER SILLY",
    "DEBUG": "DEBUG DBG DBUG DEBU FINE CONFIG",
    "INFO": "INFO INF INFORMATION INFORMATIONAL NOTICE NOTE SUCCESS",
    "WARNING": "WARNING WARN WRN",
    "ERROR": "ERROR ERR ERRO EROR FAIL SEVERE",
    "CRITICAL": "CRITICAL CRIT CRT",
    "FATAL": "FATAL FTL FATA",
    "ALERT": "ALERT",
    "EMERGENCY": "EMERGENCY EMERG",
    "PANIC": "PANIC DPANIC PANI",
}
# As Windows, PostgreSQL and PLCs write them where they speak the language of the place.
_OF_PLACES = {
    "INFO": "HINWEIS INFORMATIONS INFORMACIÓN INFORMACION INFORMAZIONE ИНФОРМАЦИЯ 信息 情報 정보",
    "WARNING": "WARNUNG AVERTISSEMENT ATTENTION ADVERTENCIA AVISO AVVISO WAARSCHUWING VAROVÁNÍ "
    "OSTRZEŻENIE UYARI ПРЕДУПРЕЖДЕНИЕ 警告 경고",
    "ERROR": "FEHLER STÖRUNG ERREUR ERRORE FOUT CHYBA BŁĄD HATA ОШИБКА 错误 エラー 오류",
    "CRITICAL": "KRITISCH CRITIQUE CRÍTICO CRITICO KRITIEK КРИТИЧЕСКАЯ",
    "PANIC": "PANIK PANIQUE",
}
_WORDS = {
    word: level
    for names in (_NAMES, _OF_PLACES)
    for level, words in names.items()
    for word in words.split()
}
_LETTERS = {
    "T": "TRACE", "V": "TRACE", "D": "DEBUG", "I": "INFO", "N": "INFO", "W": "WARNING",
    "E": "ERROR", "C": "CRITICAL", "F": "FATAL", "A": "ALERT", "P": "PANIC",
}  # fmt: skip

# Words that begin a sentence as often as they are a level; these count in capitals or in brackets.
_SENTENCES = frozenset(
    (
        "ALERT", "NOTE", "SUCCESS", "CONFIG", "FINE", "FAIL", "SILLY", "HINWEIS", "ATTENTION",
        "AVISO", "AVVISO", "KRITISCH", "CRITIQUE", "CRITICO", "CRÍTICO", "INFORMATIONS", "STÖRUNG",
        "PANIK", "PANIQUE", "FOUT", "KRITIEK",
    )
)  # fmt: skip
_BRACKETS = ("[{}]", "[{}]:", "[{}", "<{}>", "<{}>:", "({})", "({}):", "|{}|", "{{{}}}")
_BARE = ("{}", "{}:", "{},", "{}|", "{};")
_FRAMED = {
    frame.format(form): level
    for word, level in (*_WORDS.items(), *_LETTERS.items())
    for form in ({word, word.lower(), word.capitalize()} if len(word) > 1 else {word})
    for frame in _BRACKETS
}
_CAPITALS = {frame.format(word): level for word, level in _WORDS.items() for frame in _BARE}
_CAPITALS["LOG:"] = "INFO"  # PostgreSQL
_CAPITALS |= {f"{word}]": level for word, level in _WORDS.items()}  # Serilog: [08:00:00 INF]
_OTHERS = {
    frame.format(form): level
    for word, level in _WORDS.items()
    if word not in _SENTENCES
    for form in (word.lower(), word.capitalize())
    for frame in _BARE
} | {
    f"{form}:": level
    for word, level in _WORDS.items()
    if word != "NOTE"
    for form in (word.lower(), word.capitalize())
}
_GLUED = re.compile(r"([A-Z]{3,13})(?::\S|\[\d)|\[(?:\w+:)?([A-Za-z]{3,9})\]")
_FACILITY = re.compile(  # as logread of OpenWrt and BusyBox writes it: daemon.err
    r"(?:kern|user|mail|daemon|auth|authpriv|syslog|lpr|news|uucp|cron|ftp|local[0-7])"
    r"\.(emerg|alert|crit|err|warn|notice|info|debug)"
)
_ANYWHERE = re.compile(
    r"\b(TRACE|DEBUG|INFO|NOTICE|WARN(?:ING)?|ERR(?:OR)?|CRIT(?:ICAL)?|FATAL|ALERT|EMERG(?:ENCY)?"
    r"|PANIC|SEVERE|FEHLER|WARNUNG|KRITISCH|ERREUR|AVERTISSEMENT|ADVERTENCIA|ERRORE|ОШИБКА"
    r"|ПРЕДУПРЕЖДЕНИЕ)\b"
)
_HEAD = 200
_TOKENS = 6


def level_by_word(value: str) -> str:
    """A level in our spelling; a word that is none in capitals, at most 20 characters.

    >>> level_by_word("err"), level_by_word("W"), level_by_word("Foo"), level_by_word("")
    ('ERROR', 'WARNING', 'FOO', '')
    """
    text = value.strip().upper()[:20]
    found = _WORDS.get(text) or _LETTERS.get(text)
    if found is None and text[-2:-1] in ("+", "-"):  # slog: ERROR+4
        found = _WORDS.get(text[:-2])
    return found or text


def level_in_text(text: str, *, strict: bool = False) -> str:
    """The level that a plain line states; "" where it states none.

    A word in brackets counts among the first six, a word in any case if nothing but numbers,
    names in brackets and dotted names stand before it, a word in capitals anywhere in the first 200
    characters. `strict` leaves out all but brackets and capitals at the beginning.

    >>> level_in_text("[main] error: no route"), level_in_text("no error at all")
    ('ERROR', '')
    """
    alone = True
    for token in text[:_HEAD].split(None, _TOKENS)[:_TOKENS]:
        level = _FRAMED.get(token) or (_of_token(token, strict) if alone else None)
        if level is not None:
            return level
        if token.isalpha():
            alone = False
    if strict:
        return ""
    found = _ANYWHERE.search(text[:_HEAD])
    return _WORDS[found[1]] if found else ""


def _of_token(token: str, strict: bool) -> str | None:
    """The level of a token with nothing but numbers and names of things before it."""
    level = _CAPITALS.get(token)
    if level is None and not strict:
        level = _OTHERS.get(token)
    if level is None and not token.isalnum():
        stated = _FACILITY.fullmatch(token)
        if stated:
            return _WORDS[stated[1].upper()]
        glued = _GLUED.match(token)
        if glued:
            return _WORDS.get((glued[1] or glued[2]).upper())
    return level


def _steps(*steps: tuple[float, str]) -> Callable[[float], str]:
    """A scale: the level of the highest step that a number reaches."""

    def level(number: float) -> str:
        for least, name in steps:
            if number >= least:
                return name
        return ""

    return level


def _syslog(number: float) -> str:
    names = ("EMERGENCY", "ALERT", "CRITICAL", "ERROR", "WARNING", "INFO", "INFO", "DEBUG")
    return names[int(number)] if 0 <= number < 8 else ""


_PINO = _steps((60, "FATAL"), (50, "ERROR"), (40, "WARNING"), (30, "INFO"), (20, "DEBUG"),
               (1, "TRACE"))  # fmt: skip
_MONOLOG = _steps((600, "EMERGENCY"), (550, "ALERT"), (500, "CRITICAL"), (400, "ERROR"),
                  (300, "WARNING"), (200, "INFO"), (100, "DEBUG"))  # fmt: skip
_LOGBACK = _steps((50_000, "FATAL"), (40_000, "ERROR"), (30_000, "WARNING"), (20_000, "INFO"),
                  (10_000, "DEBUG"), (5_000, "TRACE"))  # fmt: skip


def _auto(number: float) -> str:
    """By the number itself: 0 to 7 syslog, 8 to 99 pino and bunyan, then Monolog, then Logback."""
    if number < 8:
        return _syslog(number)
    if number < 100:
        return _PINO(number)
    return _MONOLOG(number) if number < 1_000 else _LOGBACK(number)


SCALES: dict[str, Callable[[float], str]] = {
    "auto": _auto,
    "syslog": _syslog,
    "pino": _PINO,
    "python": _steps(
        (50, "CRITICAL"), (40, "ERROR"), (30, "WARNING"), (20, "INFO"), (10, "DEBUG"), (1, "TRACE")
    ),
    "otel": _steps(
        (21, "FATAL"), (17, "ERROR"), (13, "WARNING"), (9, "INFO"), (5, "DEBUG"), (1, "TRACE")
    ),
}


def level_by_number(value: Any, scale: str) -> str:
    """The level of a number on a scale; "" if it is off the scale.

    >>> level_by_number(40, "auto"), level_by_number(40, "python"), level_by_number(3, "auto")
    ('WARNING', 'ERROR', 'ERROR')
    """
    number = float(value)
    return SCALES[scale](number) if 0 <= number < 1e6 else ""
