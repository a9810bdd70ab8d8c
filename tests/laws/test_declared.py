"""What modules declare and no line of a test runs: values that stay as they are, and defaults."""

from __future__ import annotations

import dataclasses
import importlib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import msgspec
import pytest
from pydantic import BaseModel

from padit.domain.alert import DetectionScore
from padit.domain.batch import OffsetRange
from padit.domain.config import AlertSettings, Levels
from padit.domain.dead_letter import DeadLetter
from padit.transforms.detectors import registry
from padit.transforms.episodes import Episode, Incident, Spent
from padit.transforms.kept_rows import KeptCell, KeptRows
from padit.transforms.limit import Stage

ROOT = Path(__file__).parents[2]
ROOMS = ("codecs", "domain", "transforms")
# Dataclasses that are filled while something is read or judged; they belong to one caller.
BUILDERS = {
    "codecs.archive_table.SliceBuilder", "codecs.exposition.Exposition",
    "codecs.influx_lines.Lines", "transforms.fleet_state.MemoryFleetStore",
    "transforms.peers.Heard", "transforms.peers.PeerState",
    "transforms.detectors.columns.Columns",
    "transforms.detectors.model._State", "transforms.detectors.multivariate_source.Source",
    "transforms.outcome.Done", "transforms.resident.Left", "transforms.states.States",
    "transforms.store.MemoryStore",
}  # fmt: skip
# Their attributes are worked out once and kept beside the fields.
WITH_ATTRIBUTES = {
    "codecs.archive_table.SliceBuilder", "domain.shape.Shape",
    "transforms.detectors.plugged.PluggedDetector",
}  # fmt: skip
_OPEN = {"transforms.detectors.plugged.AnyParameters"}  # a plug-in's own keys


def _modules() -> Iterator[ModuleType]:
    for room in ROOMS:
        for file in sorted((ROOT / room).rglob("*.py")):
            name = ".".join(file.relative_to(ROOT).with_suffix("").parts)
            yield importlib.import_module(f"padit.{name.removesuffix('.__init__')}")


def _classes(kind: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for module in _modules():
        for name, value in vars(module).items():
            if isinstance(value, type) and value.__module__ == module.__name__ and kind(value):
                found[f"{module.__name__.removeprefix('padit.')}.{name}"] = value
    return found


def test_values_never_change_but_those_of_builders() -> None:
    found = _classes(dataclasses.is_dataclass)
    assert len(found) > 30
    assert {name for name, one in found.items() if not one.__dataclass_params__.frozen} <= BUILDERS
    loose = {name for name, one in found.items() if "__dict__" in dir(one)}
    assert loose <= WITH_ATTRIBUTES, "dataclasses without slots"


def test_configuration_never_changes_and_refuses_what_it_does_not_know() -> None:
    found = _classes(lambda one: issubclass(one, BaseModel))
    assert len(found) > 15
    for name, one in found.items():
        assert one.model_config.get("frozen"), name
        assert one.model_config.get("allow_inf_nan") is False, name
        assert one.model_config.get("extra") == ("allow" if name in _OPEN else "forbid"), name


def test_what_is_read_from_files_of_models_is_given_by_name_and_never_changes() -> None:
    found = _classes(lambda one: issubclass(one, msgspec.Struct))
    file = "transforms.detectors.artefact."
    mine = {name.removeprefix(file): one for name, one in found.items() if name.startswith(file)}
    assert {name for name, one in mine.items() if not one.__struct_config__.frozen} == {"Judged"}
    with pytest.raises(TypeError, match="positional"):
        mine["Artefact"](1, 2, [], [], None, {}, {})


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (lambda: Levels(), {"open_at": 0.7, "close_at": 0.35, "accept_after": 7_200_000_000}),
        (lambda: Levels(), dataclasses.asdict(Levels.of(AlertSettings()))),
        (lambda: Spent(), {"hours": 0, "alerts": 0, "more": 0}),
        (lambda: KeptCell(), {"newest": None, "pieces": 0, "rows": 0}),
        (lambda: KeptRows(), {"cells": [KeptCell(), KeptCell()], "current": 0}),
        (lambda: Stage(7)._asdict(), {"closing": 7, "evicted": (), "end": 0}),
    ],
)
def test_what_is_not_given_is(made: Any, expected: dict[str, Any]) -> None:
    one = made()
    if dataclasses.is_dataclass(one) and not isinstance(one, type):
        one = dataclasses.asdict(one)
    found = one if isinstance(one, dict) else msgspec.structs.asdict(one)
    assert found == expected


def test_a_dead_letter_stands_for_one_sample_unless_more_are_named() -> None:
    assert DeadLetter("r", "t", 0, 1, b"", 0, "").lost == 1
    assert DeadLetter.of(b"x", "r", "t", 0, 1).lost == 1


def test_an_episode_begins_without_a_past() -> None:
    bare = [one.default for one in msgspec.structs.fields(Episode)[3:]]
    assert bare == [False, False, None, False, None]
    assert msgspec.msgpack.encode(Incident("i", 7)).hex() == "92a16907"
    assert [one.name for one in msgspec.structs.fields(DetectionScore)]
    assert OffsetRange._field_defaults == {}


def test_every_detector_has_a_version_and_the_budget_leaves_some_alone() -> None:
    kinds = registry()
    assert all(kind.version >= 1 for kind in kinds.values())
    budgeted = {name: getattr(kind, "budgeted", True) for name, kind in kinds.items()}
    assert {name for name, wanted in budgeted.items() if not wanted} == {
        "discord", "lasting", "no_data", "relation", "rule", "usual",
    }  # fmt: skip
