"""Every adapter has a law of its books: what is present is read, unwatched or rejected.

The laws stand beside the tests of each adapter, over generated inputs, each in the adapter's own
unit. Here it is checked that none is missing, so that an adapter that is added needs one, too.
"""

import ast
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from padit.adapters.base import ListEmitter
from padit.adapters.fronthaul.probes import EchoProbe
from padit.adapters.fronthaul.targets import EchoTarget
from tests.adapters.test_fronthaul_frames import Wire, arrival

ROOT = Path(__file__).resolve().parents[2]

LAWS = {
    "can": ("test_can_j1939.py", "test_books_of_signals_balance"),
    "http": ("test_http_redirects.py", "test_books_of_requests_balance"),
    "influx": (
        "test_influx_answers.py",
        "test_every_line_is_taken_or_named_and_every_field_is_a_sample_or_unwatched",
    ),
    "logs": ("test_logs.py", "test_every_line_of_a_file_is_in_the_books"),
    "modbus": ("test_modbus.py", "test_books_of_values_balance"),
    "mqtt": ("test_mqtt_messages.py", "test_books_of_json_values_balance"),
    "mqtt, mapped": ("test_mqtt_format.py", "test_every_field_is_a_sample_or_is_counted"),
    "mqtt, sparkplug": (
        "test_mqtt_sparkplug.py", "test_books_of_metrics_balance_lost_messages_too",
    ),
    "opcua": ("test_opcua.py", "test_books_of_data_changes_balance"),
    "oran-cfm": ("test_books.py", "test_every_request_is_answered_or_lost_and_the_rest_is_counted"),
    "otlp": (
        "test_receiver_books.py", "test_every_point_of_otlp_is_a_sample_or_unwatched_or_rejected",
    ),
    "prometheus": (
        "test_receiver_books.py",
        "test_every_sample_of_remote_write_is_a_sample_or_unwatched_or_refused",
    ),
    "prometheus-scrape": ("test_prometheus_scrape.py", "test_books_of_samples_balance"),
    "snmp": ("test_snmp.py", "test_books_of_values_balance"),
    "syslog": ("test_syslog.py", "test_every_message_is_a_record_or_is_counted"),
}  # fmt: skip
MADE_HERE = {"canary", "factory", "host"}
"""Adapters without an input from outside: they make their samples, or ask the kernel."""


def test_every_adapter_has_a_law_of_its_books() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    registered = set(project["entry-points"]["padit.adapters"])
    assert {name.partition(",")[0] for name in LAWS} == registered - MADE_HERE


@pytest.mark.parametrize("name", LAWS)
def test_the_law_of_an_adapter_is_a_test_over_generated_inputs_or_every_line(name: str) -> None:
    file, test = LAWS[name]
    tree = ast.parse((Path(__file__).parent / file).read_text())
    [found] = [one for one in tree.body if getattr(one, "name", "") == test]
    assert isinstance(found, ast.FunctionDef)
    drawn = [ast.unparse(one) for one in found.decorator_list]
    assert any(one.startswith("given(") for one in drawn) or name == "logs"


@given(st.integers(1, 12), st.lists(st.tuples(st.integers(0, 11), st.sampled_from("ocg"))))
def test_every_request_is_answered_or_lost_and_the_rest_is_counted(
    requests: int, answers: list[tuple[int, str]]
) -> None:
    """An answer is the first of its request (o: in order), changed on its way (c), or garbage."""
    emitter = ListEmitter()
    probe: Any = EchoProbe(EchoTarget(host="x"), "s", emitter)
    probe._link = wire = Wire()
    for number in range(requests):
        probe._pending[number] = (0, 0.0)
        probe.ask(number)
    taken: set[int] = set()
    for which, kind in answers:
        number = which % requests
        data = wire.sent[number]
        if kind == "c":
            data = data[:-1]
        probe._receive(arrival(b"?" if kind == "g" else data, ("10.0.0.1", 7)))
        if kind == "o":
            taken.add(number)
    assert len(probe._samples) == len(taken)
    assert len(probe._samples) + len(probe._pending) == requests
    assert len(answers) == len(probe._samples) + sum(emitter.faults.values())
    lost = probe._summary(requests, 0.0)[0]
    assert lost.value == (requests - len(taken)) / requests
