"""Which option or command was meant by one that does not exist.

A newcomer types the word that another tool has (`--topic`, `--out`, `--threshold`), which shares
few letters with ours, so words are looked up by meaning before they are compared by letters.
"""

import argparse
import difflib
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import NoReturn

from padit.domain.errors import ConfigurationError

__all__ = ["OptionParser", "help_of", "nearest_command", "nearest_option", "unknown_option"]

# Other words for an option; those of the first option that the command has are taken.
_MEANING = {
    "input": "source src in from topic kafka broker bootstrap bootstrap_server bootstrap_servers "
    "file read i data metrics recording",
    "output": "out o sink dest destination target to write alerts result results",
    "window_size_sec": "window size length duration",
    "hours": "duration length time",
    "extract_interval_sec": "interval step slide hop stride every period",
    "config": "threshold limit sensitivity detector rule yaml settings c conf configuration",
    "out_of_orderness_sec": "lateness allowed_lateness disorder delay watermark grace",
    "dlq": "dead_letter dead_letters deadletter errors rejected rejects invalid",
    "audit": "audit audit_log provenance ledger run_totals",
    "start_offset": "offset beginning from_beginning auto_offset_reset earliest latest",
    "start_time": "since start begin after",
    "end_time": "until end stop before",
    "bootstrap_from": "warmup warm_up history backfill",
    "savepoint_path": "savepoint checkpoint restore resume state",
    "parallelism": "workers threads processes cores slots jobs",
    "machines": "sources count number",
    "runner": "engine flink prism direct",
    "job_name": "name",
    "from": "alerts source input",
    "state_dir": "dir directory folder data_dir",
    "free_ports": "ports",
    "kafka_port": "port",
}
_COMMANDS = {
    "run": "start watch detect submit live job",
    "replay": "backtest backfill rerun batch history",
    "up": "cluster serve kafka flink begin local",
    "down": "stop end kill shutdown",
    "doctor": "check status health diagnose verify test",
    "diff": "compare cmp",
    "explain": "why describe show alert provenance",
    "sweep": "tune optimize optimise grid search calibrate",
    "train": "fit learn model",
    "simulate": "generate gen sim synth fake",
    "report": "plot chart draw html page",
    "adapters": "collect probe poll receive sources ingest adapter",
    "demo": "example quickstart try tutorial",
}
_OPTION = re.compile(r"--?[A-Za-z]")  # -6h is a value
_CERTAIN, _LIKELY = 0.8, 0.6  # shares of letters


class OptionParser(argparse.ArgumentParser):
    """Raises ConfigurationError, a line with the remedy, instead of printing its usage."""

    def error(self, message: str) -> NoReturn:
        """Refuse the command line."""
        raise ConfigurationError(message.removeprefix("argument "))


def unknown_option(
    arguments: Iterable[str], own: Mapping[str, str], passed: Iterable[str] = ()
) -> str | None:
    """A message about the first option that does not exist; None where all do.

    Args:
        arguments: of a command line.
        own: help of the command's own options by name, with dashes.
        passed: names of options that are passed on.
    """
    others = set(passed)
    for argument in arguments:
        if argument == "--":
            return None
        name = argument.partition("=")[0]
        if _OPTION.match(name) and name not in own and name not in others:
            near = nearest_option(name, own, others)
            if near is None:
                return f"unknown option {name}; --help lists all"
            about = own.get(near, "")
            return f"unknown option {name}; did you mean {near}?" + (about and f" ({about})")
    return None


def nearest_option(name: str, own: Iterable[str], passed: Iterable[str] = ()) -> str | None:
    """The option that was probably meant, a command's own before one of Beam; None: unknown.

    >>> nearest_option("--source", ["--input", "--output"], ["--resource_hint"])
    '--input'
    """
    ours = {_plain(option): option for option in own}
    others = {_plain(option): option for option in passed}
    wanted = _plain(name)
    found = next(_candidates(wanted, ours, others), None)
    return None if found is None else {**others, **ours}[found]


def _candidates(wanted: str, ours: Mapping[str, str], others: Mapping[str, str]) -> Iterator[str]:
    """Plain names, the likeliest first."""
    everything = [*ours, *others]
    yield from (one for one in everything if one.rstrip("s") == wanted.rstrip("s"))
    yield from (one for one in ours if wanted.startswith(f"{one}_"))  # --output_file
    yield from _meant(wanted, ours)
    yield from difflib.get_close_matches(wanted, ours, 1, _CERTAIN)
    words = set(wanted.split("_"))
    yield from sorted(one for one in ours if words < set(one.split("_")))
    yield from _meant(wanted, others)
    yield from difflib.get_close_matches(wanted, others, 1, _CERTAIN)
    for word in reversed(wanted.split("_")):  # --kafka_topic, --alert_threshold, --from_savepoint
        yield from (one for one in ours if one == word)
        yield from _meant(word, ours)
    yield from difflib.get_close_matches(wanted, everything, 1, _LIKELY)


def _meant(word: str, known: Iterable[str]) -> list[str]:
    singular = word.removesuffix("s")
    have = set(known)
    return [
        option
        for option, words in _MEANING.items()
        if option in have and {word, singular} & set(words.split())
    ]


def nearest_command(name: str, commands: Iterable[str]) -> str | None:
    """The command that was meant.

    >>> nearest_command("explan", ["explain", "replay"]), nearest_command("tune", ["sweep"])
    ('explain', 'sweep')
    """
    known = list(commands)
    wanted = _plain(name)
    meant = [one for one in known if wanted in _COMMANDS.get(one, "").split()]
    near = [*meant, *difflib.get_close_matches(wanted, known, 1, _LIKELY)]
    return near[0] if near else None


def help_of(parser: argparse.ArgumentParser) -> dict[str, str]:
    """First sentence about every option of a parser and of its sub-commands, by name."""
    found: dict[str, str] = {}
    for action in parser._actions:
        about = action.help if action.help and action.help != argparse.SUPPRESS else ""
        about = re.split(r"[.;] | \((?:default|%)|\.$", about)[0]
        found |= dict.fromkeys(action.option_strings, about)
        if isinstance(action, argparse._SubParsersAction):
            for inner in action.choices.values():
                found |= help_of(inner)
    return found


def _plain(name: str) -> str:
    snake = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name.lstrip("-"))
    return snake.replace("-", "_").lower()
