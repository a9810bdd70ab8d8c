"""Levels of logs: by the words of many loggers, by the numbers of scales, by place in a line."""

from __future__ import annotations

from itertools import pairwise

import pytest

from padit.codecs.logs.levels import (
    ERRORS,
    KNOWN,
    SCALES,
    level_by_number,
    level_by_word,
    level_in_text,
)
from padit.codecs.logs.parser import LineParser
from padit.codecs.logs.record import Settings

# As the loggers document their numbers: the least number of each level.
STEPS = {
    "pino": {"TRACE": 10, "DEBUG": 20, "INFO": 30, "WARNING": 40, "ERROR": 50, "FATAL": 60},
    "python": {"DEBUG": 10, "INFO": 20, "WARNING": 30, "ERROR": 40, "CRITICAL": 50},
    "otel": {"TRACE": 1, "DEBUG": 5, "INFO": 9, "WARNING": 13, "ERROR": 17, "FATAL": 21},
}
SYSLOG = ("EMERGENCY", "ALERT", "CRITICAL", "ERROR", "WARNING", "INFO", "INFO", "DEBUG")
MONOLOG = {"DEBUG": 100, "INFO": 200, "WARNING": 300, "ERROR": 400, "CRITICAL": 500, "ALERT": 550,
           "EMERGENCY": 600}  # fmt: skip
LOGBACK = {"TRACE": 5_000, "DEBUG": 10_000, "INFO": 20_000, "WARNING": 30_000, "ERROR": 40_000,
           "FATAL": 50_000}  # fmt: skip


@pytest.mark.parametrize("scale", STEPS)
def test_a_number_has_the_level_of_the_highest_step_that_it_reaches(scale: str) -> None:
    steps = sorted(STEPS[scale].items(), key=lambda one: one[1])
    before = "TRACE"  # below the first step down to 1
    for level, least in steps:
        if least > 1:
            assert level_by_number(least - 1, scale) == before
        assert level_by_number(least, scale) == level_by_number(least + 0.5, scale) == level
        before = level
    assert level_by_number(999_999, scale) == before
    assert level_by_number(0.5, scale) == ""


def test_numbers_of_syslog_go_downwards() -> None:
    for number, level in enumerate(SYSLOG):
        assert level_by_number(number, "syslog") == level_by_number(number, "auto") == level
    assert level_by_number(8, "syslog") == ""


def test_without_a_scale_the_number_itself_says_which_it_is() -> None:
    for steps in (STEPS["pino"], MONOLOG, LOGBACK):
        for level, least in steps.items():
            assert level_by_number(least, "auto") == level
    assert [level_by_number(n, "auto") for n in (7, 8, 99, 100, 999, 1_000)] == [
        "DEBUG", "TRACE", "FATAL", "DEBUG", "EMERGENCY", "",
    ]  # fmt: skip
    assert level_by_number(4_999, "auto") == ""
    for steps in (MONOLOG, LOGBACK):
        ordered = sorted(steps.items(), key=lambda one: one[1])
        for (level, _), (_, following) in pairwise(ordered):
            assert level_by_number(following - 1, "auto") == level


def test_a_number_off_every_scale_has_no_level() -> None:
    for scale in SCALES:
        assert level_by_number(-1, scale) == level_by_number(1e6, scale) == ""
        assert level_by_number(float("nan"), scale) == ""


@pytest.mark.parametrize(
    ("word", "level"),
    [
        ("TRC", "TRACE"), ("verbose", "TRACE"), ("finest", "TRACE"), ("silly", "TRACE"),
        ("dbg", "DEBUG"), ("fine", "DEBUG"), ("config", "DEBUG"), ("Information", "INFO"),
        ("notice", "INFO"), ("success", "INFO"), ("warn", "WARNING"), ("WRN", "WARNING"),
        ("err", "ERROR"), ("severe", "ERROR"), ("fail", "ERROR"), ("crit", "CRITICAL"),
        ("ftl", "FATAL"), ("alert", "ALERT"), ("emerg", "EMERGENCY"), ("dpanic", "PANIC"),
        ("T", "TRACE"), ("v", "TRACE"), ("D", "DEBUG"), ("i", "INFO"), ("N", "INFO"),
        ("w", "WARNING"), ("E", "ERROR"), ("C", "CRITICAL"), ("F", "FATAL"), ("A", "ALERT"),
        ("P", "PANIC"), (" error ", "ERROR"), ("ERROR+4", "ERROR"), ("info-1", "INFO"),
        ("WARN*4", "WARN*4"), ("foo", "FOO"), ("", ""), ("x" * 30, "X" * 20), ("a+1", "A+1"),
    ],
)  # fmt: skip
def test_a_word_is_a_level_in_any_case(word: str, level: str) -> None:
    assert level_by_word(word) == level


def test_a_share_of_errors_counts_known_levels_only() -> None:
    assert {"ERROR", "CRITICAL", "FATAL", "ALERT", "EMERGENCY", "PANIC"} == ERRORS
    assert {"TRACE", "DEBUG", "INFO", "WARNING"} == KNOWN - ERRORS


@pytest.mark.parametrize(
    ("text", "level", "strict"),
    [
        ("[ERROR] no route", "ERROR", "ERROR"), ("<warn> no route", "WARNING", "WARNING"),
        ("(info): up", "INFO", "INFO"), ("|E| no", "ERROR", "ERROR"),
        ("{debug} x", "DEBUG", "DEBUG"),
        ("[e] no", "", ""), ("one two [ERROR] x", "ERROR", "ERROR"),
        ("a b c d e [ERROR] x", "ERROR", "ERROR"), ("a b c d e f [err] x", "", ""),
        ("ERROR: x", "ERROR", "ERROR"), ("ERROR, x", "ERROR", "ERROR"),
        ("ERROR| x", "ERROR", "ERROR"),
        ("error: x", "ERROR", ""), ("Error x", "ERROR", ""), ("[main] error: x", "ERROR", ""),
        ("12 a.b.c warn x", "WARNING", ""), ("no error at all", "", ""),
        ("the ERROR was here", "ERROR", ""), ("LOG: x", "INFO", "INFO"), ("log: x", "", ""),
        ("Note the door", "", ""), ("NOTE the door", "INFO", "INFO"), ("note: the door", "", ""),
        ("[note] the door", "INFO", "INFO"), ("Fail: x", "ERROR", ""), ("fail x", "", ""),
        ("FAIL x", "ERROR", "ERROR"), ("ERROR:root:x", "ERROR", "ERROR"),
        ("WARN[0001] x", "WARNING", "WARNING"),
        ("[main:error] x", "ERROR", "ERROR"), ("[x:nothing] y", "", ""),
        ("x" * 190 + " ERROR", "ERROR", ""), ("x" * 200 + " ERROR", "", ""), ("", "", ""),
        ("SEVERE in the middle", "ERROR", "ERROR"), ("it is SEVERE", "ERROR", ""),
    ],
)  # fmt: skip
def test_a_line_states_its_level_by_brackets_by_its_beginning_or_in_capitals(
    text: str, level: str, strict: str
) -> None:
    assert (level_in_text(text), level_in_text(text, strict=True)) == (level, strict)


@pytest.mark.parametrize(
    ("line", "level"),
    [
        (b"[08:00:00 INF] Request finished in 12.3 ms", "INFO"),
        (b"[08:00:00 ERR] HTTP GET / responded 500", "ERROR"),
        (b"2026-01-05 08:00:00.123 +01:00 [WRN] slow", "WARNING"),
        (b"[2026-01-05 08:00:00 FTL] host ended", "FATAL"),
        (b"[main DEBUG] begin", "DEBUG"),
        (b"[no error] nothing happened", ""),
        (b"Mon Jan  5 08:00:00 2026 daemon.err kernel: oom", "ERROR"),
        (b"Mon Jan  5 08:00:00 2026 kern.notice dnsmasq[1]: started", "INFO"),
        (b"Mon Jan  5 08:00:00 2026 authpriv.warn dropbear[2]: bad password", "WARNING"),
        (b"daemon.errors are read here", ""),
    ],
)
def test_a_level_behind_the_time_in_its_bracket_or_with_its_facility_counts(
    line: bytes, level: str
) -> None:
    parser = LineParser("svc", Settings())
    (record,) = parser.feed([line], 1_767_600_000.0) + parser.flush()
    assert record.level == level


@pytest.mark.parametrize(
    ("line", "level"),
    [
        ("05.01.2026 08:00:01 FEHLER: Größe", "ERROR"), ("Fehler: Datei fehlt", "ERROR"),
        ("2026-01-05 08:00:00 [Warnung] Druck", "WARNING"), ("2026-01-05 HINWEIS:  x", "INFO"),
        ("08:00:00 UTC [12] FEHLER:  Relation", "ERROR"), ("main [KRITISCH] voll", "CRITICAL"),
        ("05/01/2026 08:00:00 ERREUR disque", "ERROR"), ("AVERTISSEMENT: x", "WARNING"),
        ("08:00:00 ADVERTENCIA presión", "WARNING"), ("05.01.2026 ОШИБКА: нет", "ERROR"),
        ("2026-01-05 08:00:00 [错误] 连接", "ERROR"), ("Hinweis zum Betrieb", ""),
        ("Attention please", ""), ("die Fehler der anderen", ""), ("Avis aux clients", ""),
    ],
)  # fmt: skip
def test_levels_in_the_language_of_the_place_are_known(line: str, level: str) -> None:
    """Half of the lines known as INFO, and the errors not known, was a share of errors of 0."""
    assert level_in_text(line) == level
