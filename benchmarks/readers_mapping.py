"""How fast payloads are read: PADIT's own JSON, and JSON that a `format` maps.

    python -m benchmarks.readers_mapping [--records=N] [--rounds=N]

Every line is process CPU time on one core, the median of several rounds and the fastest of them
(what other processes do to the caches is not ours): decoding alone, from the bytes of records to
columns. The records of PADIT's own JSON are `known` as they are
mostly written, with line breaks, with a time as text, or many in an array; `other` are those that
are left to a JSON parser.
"""

import argparse
import json
import random
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta, timezone
from typing import Any

from padit.codecs.records import Decoded, decode

__all__ = ["main"]

_T = 1_767_571_200
_MAX_BYTES = 1 << 20
_AT_ONCE = 10_000
_EACH = 50


def _own(i: int, rng: random.Random) -> dict[str, Any]:
    value = round(rng.uniform(0, 100), 2)
    return {"timestamp": _T + i / 8, "source_id": f"machine-{i % 50:02}", "metric_name": "rpm",
            "value": value, "unit": "1/min"}  # fmt: skip


def _text_time(i: int, rng: random.Random) -> dict[str, Any]:
    moment = datetime.fromtimestamp(_T + i / 8, timezone(timedelta(hours=2)))
    return _own(i, rng) | {"timestamp": moment.isoformat(), "sequence": i}


def _array(i: int, rng: random.Random) -> list[dict[str, Any]]:
    return [_own(i * _EACH + n, rng) for n in range(_EACH)]


def _other(i: int, rng: random.Random) -> dict[str, Any]:
    record = _own(i, rng)
    return record | {"value": f"{record['value']}"}


def _telegraf(i: int, rng: random.Random) -> dict[str, Any]:
    names = ("usage_idle", "usage_user", "usage_system", "usage_iowait", "usage_irq")
    fields = {name: rng.uniform(0, 100) for name in names}
    tags = {"cpu": f"cpu{i % 8}", "host": f"srv-{i % 20}"}
    return {"fields": fields, "name": "cpu", "tags": tags, "timestamp": _T + i // 8}


def _connect(i: int, rng: random.Random) -> dict[str, Any]:
    fields = [
        {"type": kind, "optional": False, "field": name}
        for name, kind in (("timestamp", "int64"), ("source_id", "string"), ("value", "double"))
    ]
    payload = _own(i, rng) | {"timestamp": (_T + i) * 1000}
    return {"schema": {"type": "struct", "fields": fields, "optional": False}, "payload": payload}


def _plain(i: int, rng: random.Random) -> dict[str, Any]:
    return {"ts": _T + i, "tags": {"host": f"srv-{i % 20}"}, "sensor": f"s{i % 5}",
            "reading": {"value": rng.uniform(0, 100), "unit": "K"}}  # fmt: skip


PLAIN = {"source": "{tags.host}/rack", "metric": "sensor", "value": "reading.value",
         "unit": "reading.unit", "time": "ts"}  # fmt: skip
MAKERS: Mapping[str, tuple[Callable[[int, random.Random], Any], Any]] = {
    "own, known": (_own, None),
    "own, line breaks": (_own, None),
    "own, text time": (_text_time, None),
    "own, array of 50": (_array, None),
    "own, other": (_other, None),
    "telegraf": (_telegraf, "telegraf"),
    "connect": (_connect, "connect"),
    "a plain mapping": (_plain, PLAIN),
}


def _reader(form: Any) -> Callable[[Sequence[bytes]], Decoded]:
    if form is None:
        return lambda values: decode(values, _MAX_BYTES)
    from padit.codecs.mapping import Mapping as Compiled
    from padit.codecs.mapping_model import format_of

    mapping = Compiled(format_of("benchmark", form))
    return lambda values: mapping.decode(values, _MAX_BYTES)


def measure(name: str, records: int, rounds: int) -> tuple[float, float, int]:
    """Nanoseconds a record, the median of several rounds and the least; and samples a round."""
    make, form = MAKERS[name]
    rng = random.Random(0)
    style: Any = {"indent": 2} if name.endswith("breaks") else {"separators": (",", ":")}
    values = [json.dumps(make(i, rng), **style).encode() for i in range(records)]
    read = _reader(form)
    spent = []
    samples = 0
    for _ in range(rounds + 1):
        started = time.process_time()
        samples = sum(
            len(read(values[at : at + _AT_ONCE]).rows) for at in range(0, records, _AT_ONCE)
        )
        spent.append(time.process_time() - started)
    each = [one / records * 1e9 for one in spent[1:]]
    return statistics.median(each), min(each), samples


def main() -> None:
    """Print a line for each kind of record."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--records", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--only", default="")
    options = parser.parse_args()
    for name in MAKERS:
        if options.only in name:
            spent, least, samples = measure(name, options.records, options.rounds)
            print(
                f"{name:16} {spent:7.0f} ns/record, at best {least:6.0f}: "
                f"{1e9 / least:10,.0f} records/s {1e9 / least * samples / options.records:10,.0f} "
                "samples/s"
            )


if __name__ == "__main__":
    main()
