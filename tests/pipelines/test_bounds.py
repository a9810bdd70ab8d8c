"""Every numeric option of every command refuses what it cannot compute with."""

import argparse
import importlib
import math
import pkgutil

import pytest

import padit.cli.commands
from padit.domain.errors import ConfigurationError
from padit.pipelines.bounds import Number
from padit.pipelines.options import JobOptions, PaditOptions, parse_options
from padit.pipelines.suggest import OptionParser


def _actions(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    found = []
    for action in parser._actions:
        if action.option_strings or isinstance(action, argparse._SubParsersAction):
            found.append(action)
        if isinstance(action, argparse._SubParsersAction):
            for inner in action.choices.values():
                found += _actions(inner)
    return found


def _numbers() -> dict[str, argparse.Action]:
    """Options with a numeric type or default, by command and name."""
    found = {}
    for info in pkgutil.iter_modules(padit.cli.commands.__path__):
        if info.name.startswith("_"):
            continue
        parser = OptionParser()
        importlib.import_module(f"padit.cli.commands.{info.name}").add_arguments(parser)
        for action in _actions(parser):
            flag = action.nargs == 0
            number = type(action.default) in (int, float) or action.type in (int, float)
            if not flag and (number or isinstance(action.type, Number)):
                found[f"{info.name} {action.option_strings[0]}"] = action
    return found


NUMBERS = _numbers()


def _refused(action: argparse.Action, given: str) -> str:
    parser = OptionParser()
    name = action.option_strings[0]
    assert isinstance(action.type, Number)
    parser.add_argument(name, type=action.type)
    with pytest.raises(ConfigurationError) as caught:
        parser.parse_args([f"{name}={given}"])
    return str(caught.value)


@pytest.mark.parametrize("option", NUMBERS)
def test_a_numeric_option_has_bounds(option: str) -> None:
    assert isinstance(NUMBERS[option].type, Number)


@pytest.mark.parametrize("given", ["nan", "inf", "-inf", "-1", "1e300", "9" * 30, "x", ""])
@pytest.mark.parametrize("option", NUMBERS)
def test_an_absurd_number_is_refused_with_the_option_and_the_value(option: str, given: str) -> None:
    action = NUMBERS[option]
    text = _refused(action, given)
    assert text.startswith(f"{action.option_strings[0]}: {given} ")


@pytest.mark.parametrize("option", NUMBERS)
def test_bounds_are_accepted_and_what_lies_beyond_is_not(option: str) -> None:
    number = NUMBERS[option].type
    assert isinstance(number, Number)
    whole = isinstance(number.low, int)
    for bound, beyond in ((number.low, -math.inf), (number.high, math.inf)):
        assert number(str(bound)) == bound
        over = bound + math.copysign(1, beyond) if whole else math.nextafter(bound, beyond)
        assert "must lie between" in _refused(NUMBERS[option], repr(int(over) if whole else over))


@pytest.mark.parametrize("option", NUMBERS)
def test_the_default_lies_within_the_bounds(option: str) -> None:
    default = NUMBERS[option].default
    if default not in (None, argparse.SUPPRESS):
        assert NUMBERS[option].type(default) == default  # type: ignore[misc,operator]


@pytest.mark.parametrize(
    ("name", "value"), [("max_samples", 0), ("max_samples", 1.5), ("window_size_sec", "x"),
                        ("key_groups", 4097), ("idle_timeout_sec", math.nan)],
)  # fmt: skip
def test_options_that_come_from_a_file_have_the_same_bounds(name: str, value: object) -> None:
    raw = parse_options(["--input=x.jsonl"]).view_as(PaditOptions).get_all_options()
    with pytest.raises(ConfigurationError, match=f"^--{name}: {value} "):
        JobOptions.checked({**raw, name: value})
