"""The encoding of a table that is no UTF-8: by its words, or guessed by its letters, and said."""

# ruff: noqa: RUF001 (letters of many scripts)

import time

import pytest

from padit.connectors.tables.encodings import likely_encoding
from tests.limits import allowed

ROWS = "".join(f"2026-11-30 08:00:{second:02d};{second},5\n" for second in range(30))


@pytest.mark.parametrize(
    ("head", "encoding"),
    [
        ("日時;主軸の温度", "cp932"), ("時刻;電圧", "euc-jp"), ("일시;모터 온도", "cp949"),
        ("时间;电机温度", "gb18030"), ("日期;馬達轉速", "big5"),
        ("Дата;Давление масла", "cp1251"), ("Дата;Давление масла", "koi8-r"),
        ("Температура °C;Насос", "cp1251"), ("Ημερομηνία;Πίεση", "cp1253"),
        ("Çalışma;Basınç", "cp1254"), ("Czas;Prędkość", "cp1250"), ("Zeit;Länge", "cp1252"),
        ("Heure;Énergie", "mac-roman"), ("Heure;Débit", "cp850"), ("Time;Oil °C", "cp1252"),
        ("Time;Oil °C", "cp850"), ("Zeit;Schlüssel µm", "mac-roman"), ("Zeit;Größe", "cp850"),
        ("Time;Play µm", "cp850"), ("Χρόνος;Ισχύς", "cp1253"), ("Time;Oil (℃)", "gb18030"),
        ("Time;Oil (℃)", "cp932"),
    ],
)  # fmt: skip
def test_a_usual_word_tells_the_encoding_and_is_shown(head: str, encoding: str) -> None:
    found, why = likely_encoding(f"{head}\n{ROWS}".encode(encoding))
    assert f"{head}\n".encode(encoding).decode(found) == f"{head}\n", (found, why)
    assert "it is no UTF-8, and reads '" in why


@pytest.mark.parametrize(
    ("head", "encoding"),
    [
        ("ログ;ベアリング", "cp932"), ("ログ;ベアリング", "euc-jp"), ("측정;베어링", "cp949"),
        ("采样;轴承", "gb18030"), ("取樣;軸承", "big5"), ("Замер;Подшипник °C", "cp1251"),
        ("Замер;Подшипник", "koi8-r"), ("ЗАМЕР;ПОДШИПНИК", "cp1251"),
        ("ЗАМЕР;ПОДШИПНИК", "koi8-r"), ("замер;подшипник", "cp1251"), ("Щит;Цех", "cp1251"),
        ("ЦЕХ;ПЕЧЬ №3", "cp1251"),
    ],
)  # fmt: skip
def test_without_one_its_letters_do_and_the_guess_says_how_it_reads_otherwise(
    head: str, encoding: str
) -> None:
    found, why = likely_encoding(f"{head}\n{ROWS}".encode(encoding))
    assert found == encoding
    assert f"{encoding} {head.split(';', maxsplit=1)[0]!r}" in why
    assert "cp1252 '" in why


@pytest.mark.parametrize("head", [
    "Außenänderung", "réglée", "naïveté", "fünf;süß", "smörgås", "pression d’été", "«é»", "ÄÖÜ",
    "Nº ºñ", "Wydajnoœæ",
])  # fmt: skip
def test_accents_alone_are_western(head: str) -> None:
    assert likely_encoding(head.encode("cp1252")) == ("cp1252", "it is no UTF-8")


@pytest.mark.parametrize("data", [b"\x81", b"\xff" * 9, bytes(range(128, 256)), b"", b"\x80\xff\n"])
def test_bytes_of_no_encoding_are_no_error(data: bytes) -> None:
    assert likely_encoding(data)[0]


def test_a_header_longer_than_all_that_is_judged_is_judged_by_its_beginning() -> None:
    head = ";".join(f"轴承采样{number}" for number in range(4000))
    assert likely_encoding(head.encode("gb18030"))[0] == "gb18030"


def test_a_long_text_is_judged_by_its_beginning() -> None:
    data = "轴承采样\n".encode("gb18030") * 100_000
    began = time.process_time()
    assert likely_encoding(data)[0] == "gb18030"
    assert time.process_time() - began < allowed(1.0)
