"""No two identities share a series, a series outlives its owner, and memory is bounded."""

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from padit.adapters.base import ListEmitter
from padit.adapters.identities import MixedError, Output, Outputs, Records
from padit.adapters.receiver import Call
from padit.adapters.registry import create_adapter
from padit.adapters.series import Labels

A, B = (("pod", "a"),), (("pod", "b"),)


def output() -> Output:
    return Outputs().of("host", "mem")


def test_second_identity_is_refused_while_the_first_is_there() -> None:
    made = output()
    made.take(A, 100.0)
    with pytest.raises(MixedError, match="pod='b' against pod='a'"):
        made.take(B, 160.0)
    made.take(A, 150.0)


def test_second_identity_goes_on_when_the_first_is_silent_or_has_ended() -> None:
    silent, ended = output(), output()
    silent.take(A, 100.0)
    silent.take(B, 161.0)
    ended.take(A, 100.0)
    ended.release(A)
    ended.take(B, 101.0)
    assert (silent.owner, ended.owner) == (B, B)


def test_two_slow_identities_take_a_series_from_each_other_a_few_times_only() -> None:
    made, owners = output(), []
    for i in range(40):  # each writes every five minutes
        try:
            made.take((A, B)[i % 2], 150.0 * i)
        except MixedError:
            continue
        owners.append(made.owner)
    changes = sum(one != other for one, other in itertools.pairwise(owners))
    assert changes <= 4
    assert len(set(owners[-10:])) == 1


class Kept:
    def __init__(self, identity: Labels, used: int) -> None:
        self.identity = identity
        self.outputs: dict[Any, Output] = {}
        self.used = used


@given(st.integers(1, 20), st.integers(0, 60))
def test_records_are_bounded_and_the_oldest_go_first(most: int, count: int) -> None:
    records: Records[Kept] = Records(most, Outputs())
    for i in range(count):
        records.add(Kept((("n", str(i)),), i))
        assert len(records) <= most
    assert not count or (("n", str(count - 1)),) in records


def test_long_labels_do_not_fill_the_memory() -> None:
    records: Records[Kept] = Records(10**6, Outputs())
    for i in range(300):
        records.add(Kept((("n", f"{i}" + "x" * 1_000_000),), i))
    assert len(records) < 100


@pytest.mark.parametrize("kind", ["influx", "prometheus", "otlp"])
def test_receiver_remembers_no_more_series_than_allowed(kind: str) -> None:
    from tests.adapters.test_otlp_series import LIB, T, at, gauge, scoped
    from tests.adapters.test_prometheus_series import named, request
    from tests.adapters.test_receivers import snappy

    adapter: Any = create_adapter({"type": kind, "naming": {"max_series": 50}})
    adapter._emitter = emitter = ListEmitter()
    for i in range(500):
        headers = {"content-type": "application/json"}
        if kind == "influx":
            body = f"m,host=a,n={i} v=1 {T}000000000".encode()
        elif kind == "prometheus":
            body = snappy(request((named("m", n=str(i)), [(0, 1.0)])))
        else:
            import json

            metric = gauge(f"m{i}", {"timeUnixNano": at(0), "asInt": i})
            body = json.dumps(
                {"resourceMetrics": [{"scopeMetrics": [scoped(LIB, metric)]}]}
            ).encode()
        assert adapter.write(Call(body, headers, {})).status < 300
    series = adapter._translator._series if kind == "otlp" else adapter
    series = adapter._series if kind == "prometheus" else series
    assert len(series._records) <= 50
    assert len(series._outputs._outputs) <= 51
    assert len(emitter.metrics) == 500
