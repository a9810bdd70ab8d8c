"""Which encoding the text of a table is in that is no UTF-8.

Bytes alone do not say it: those of one encoding are letters in many. What tells is a word that is
usual in the head of a table, such as 温度: it stands there in one encoding only. Where no such word
is found, the letters decide: in the right encoding they are common ones. That is a guess, so it
says how the same bytes read otherwise.
"""

# ruff: noqa: RUF001 (letters of many scripts)

import re
from collections.abc import Iterator

__all__ = ["likely_encoding"]

_WESTERN = (
    "température débit énergie fréquence durée humidité état mémoire qualité "
    "größe länge höhe gerät prüfung wärme kühlung zähler stück füllstand schlüssel "
    "año señal presión posición tensión duración válvula número máquina pressão tensão vibração "
    "posição máximo mínimo qualità velocità umidità mätare tändning lämpötila käyttö måling"
)
_SIGNS = ("°c", "°f", "m³", "m²", "µm", "µs")
# In this order: the first of those that explain as many words is taken.
_WORDS = {
    "cp1252": _WESTERN,
    "cp1250": "čas otáčky otáčok průtok napětí úhel výkon číslo měření ciśnienie prędkość napięcie "
    "wartość przepływ wilgotność prąd idő hőmérséklet sebesség feszültség mărime",
    "cp1251": "время дата температура давление напряжение ток скорость влажность расход обороты "
    "мощность значение датчик частота уровень состояние номер насос тиск вологість",
    "cp1253": "ώρα χρόνος ημερομηνία θερμοκρασία πίεση τάση ταχύτητα υγρασία ροή τιμή ισχύς",
    "cp1254": "sıcaklık basınç hız değer ölçüm akış güç titreşim",
    "cp932": "時刻 日時 時間 日付 温度 圧力 電圧 電流 回転 速度 湿度 流量 振動 状態 番号 装置 設備",
    "cp949": "시간 일시 날짜 시각 온도 압력 전압 전류 회전 속도 습도 유량 진동 상태 번호 장치 설비",
    "gb18030": "时间 日期 温度 压力 电压 电流 转速 速度 湿度 流量 振动 状态 编号 设备 功率 数值",
    "big5": "時間 日期 溫度 壓力 電壓 電流 轉速 速度 濕度 流量 振動 狀態 編號 設備 功率 數值 頻率",
}
_WORDS |= {name: f"{_WORDS[name]} ℃" for name in ("cp932", "cp949", "gb18030", "big5")}
_WORDS |= {"euc-jp": _WORDS["cp932"], "koi8-r": _WORDS["cp1251"], "cp866": _WORDS["cp1251"]}
_WORDS |= {"iso8859-2": _WORDS["cp1250"]} | dict.fromkeys(("mac-roman", "cp850"), _WESTERN)
# The standard of which an encoding is, and lead bytes of what is common in it.
_COMMON = {
    "cp932": ("euc-jp", 0xA4, 0xCF),
    "cp949": ("euc-kr", 0xB0, 0xC8),
    "gb18030": ("gb2312", 0xB0, 0xD7),
    "big5": ("big5", 0xA4, 0xC6),
    "euc-jp": ("euc-jp", 0xA4, 0xCF),
}
_KANA = frozenset(map(chr, range(0x3041, 0x30FF)))
_HIGH = re.compile(rb"[\x80-\xff]+")
_ENOUGH = 0.9  # of the letters are common ones in the right encoding
_MOST = 32 << 10  # bytes that are judged
_FEWEST = 2  # letters of thousands, of which each is common in some encoding by chance
_LEAST_CYRILLIC = 4  # letters; fewer are accents beside each other
_FREQUENT = frozenset("оеаинтсрвлк")  # nearly three of four letters
_SELDOM = 0.05
_WORD = re.compile(r"[^\W\d_]+")
_CYRILLIC = re.compile("[\u0400-\u045f]+")
_FRAME = re.compile("[\u2500-\u259f]")  # lines of frames, which tables do not have
_CELL = re.compile(rb"[^,;\t\r\n\"]*[\x80-\xff][^,;\t\r\n\"]*")


def likely_encoding(data: bytes) -> tuple[str, str]:
    """The encoding of text that is no UTF-8, and what shows it."""
    data = _begin(data)
    texts = {name: text for name in _WORDS if (text := _decoded(data, name)) is not None}
    found = {name: _usual(text.lower(), name) for name, text in texts.items()}
    best = max(found, key=lambda name: len(found[name]), default="cp1252")
    if found.get(best):
        return best, f"it is no UTF-8, and reads {found[best][0]!r} so"
    if not _is_western(data):
        shares = {name: _share(text, name) for name, text in texts.items()}
        best = max(shares, key=lambda name: shares[name], default="cp1252")
        if shares.get(best, 0.0) > _ENOUGH:
            readings = "; ".join(_readings(data, best, texts))
            return best, f"it is no UTF-8; a guess by its letters: {readings}"
    for name in ("cp1252", "mac-roman", "cp850"):
        sign = next((one for one in _SIGNS if one in texts.get(name, "").lower()), "")
        if sign:
            return name, f"it is no UTF-8, and reads {sign!r} so"
    return "cp1252", "it is no UTF-8"


def _begin(data: bytes) -> bytes:
    """As much as is judged; its end is no part of a letter in any encoding, nor cuts a line."""
    if len(data) <= _MOST:
        return data
    data = data[:_MOST]
    end = data.rfind(b"\n")
    return data[: end if end > 0 else max(map(data.rfind, (b",", b";", b"\t", b" ")))]


def _decoded(data: bytes, name: str) -> str | None:
    try:
        return data.decode(name)
    except UnicodeDecodeError:
        return None


def _usual(text: str, name: str) -> list[str]:
    """Usual words that stand in a text, as words of their own or at the begin of one."""
    wide = name in _COMMON
    return [
        word for word in _WORDS[name].split()
        if word in text and (wide or re.search(rf"\b{word}", text))
    ]  # fmt: skip


def _is_western(data: bytes) -> bool:
    """Whether letters that are not ASCII stand alone, as accents and signs do."""
    runs = [len(one) for one in _HIGH.findall(data)]
    return 2 * sum(one for one in runs if one == 1) > sum(runs)


def _share(text: str, name: str) -> float:
    """How much of what is not ASCII is common in an encoding."""
    if name in _COMMON:
        letters = [one for one in text if not one.isascii()]
        if len(letters) < _FEWEST:
            return 0.0
        kana = 0.5 * sum(one in _KANA for one in letters) * (name in ("cp932", "euc-jp"))
        return (kana + sum(_is_common(one, name) for one in letters)) / max(1, len(letters))
    if name not in ("cp1251", "koi8-r") or _FRAME.search(text):
        return 0.0
    words = [one for one in _WORD.findall(text) if not one.isascii()]
    good = [
        one for one in words
        if _CYRILLIC.fullmatch(one) and (one[1:] == one[1:].lower() or one.isupper())
    ]  # fmt: skip
    read = "".join(good).lower()
    if len(read) < _LEAST_CYRILLIC:
        return 0.0
    # Capitals of one are small letters of the other, and then the frequent letters tell.
    seldom = sum(one not in _FREQUENT for one in read) / len(read)
    return len(read) / sum(map(len, words)) - _SELDOM * seldom


def _is_common(letter: str, name: str) -> bool:
    standard, first, last = _COMMON[name]
    try:
        return first <= letter.encode(standard)[0] <= last
    except UnicodeEncodeError:
        return False


def _readings(data: bytes, best: str, texts: dict[str, str]) -> Iterator[str]:
    """How the first cell reads that is not ASCII, in the encoding that was taken and in others."""
    cells = _CELL.findall(data)
    others = [name for name in _COMMON if name in texts and name != best]
    for name in (best, *others[:2], "cp1252"):
        yield f"{name} {cells[0].decode(name, 'replace')[:20]!r}"
