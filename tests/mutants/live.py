"""Trials where everything is imported and all tests are collected: a mutant is one function's code.

That saves the imports and the collection, most of a trial's time. It is the same as importing the
changed file (`tests.mutants.trial.anew`) if the change is within a function that nothing has called
yet. Any other change (a constant, a default, a class, what is called while modules are imported)
is not tried here.
"""

from __future__ import annotations

import functools
import gc
import os
import sys
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Sequence
from inspect import CO_OPTIMIZED
from pathlib import Path
from types import CodeType, FunctionType

import pytest

from tests.mutants.trial import QUIET, Limits, Outcome, Trial, install

__all__ = ["changed_function", "check_noticed", "run_live"]

_Key = tuple[str, str, int]


def changed_function(path: Path, text: str, imported: Collection[int]) -> CodeType | None:
    """Return the code of the one function that a change is within.

    Args:
        path: of the file as it is.
        text: what it is to read.
        imported: lines that ran while modules were imported.

    Returns:
        The new code of the outermost function; None if more than that differs, or if the function
        was called at import.
    """
    name = os.path.realpath(path)
    former = compile(path.read_text(), name, "exec", dont_inherit=True)
    new = compile(text, name, "exec", dont_inherit=True)
    found = list(_differences(former, new))
    if len(found) != 1 or found[0] is None:
        return None
    before, after = found[0]
    lines = {line for code in _within(before) for _, _, line in code.co_lines() if line}
    ran = lines & set(imported) - {before.co_firstlineno}
    fits = before.co_freevars == after.co_freevars
    return after if fits and not ran and before.co_name[0] != "<" else None


def run_live(
    trials: Sequence[tuple[Trial, CodeType]],
    tests: Sequence[str],
    run: Callable[..., None],
    done: Callable[[int, Outcome], None],
) -> None:
    """Collect the tests and run all trials.

    Args:
        trials: with the new code of the function.
        tests: files to collect.
        run: `run_all`, given trials, `child` and `done`.
        done: called with the number and the outcome of each of the trials.

    Raises:
        RuntimeError: the tests cannot be collected.
    """
    _serve(_Server([trial for trial, _ in trials], [code for _, code in trials], run, done), tests)


def check_noticed(
    unchanged: Sequence[Trial], tests: Sequence[str], run: Callable[..., None]
) -> None:
    """Run trials without any change; raises RuntimeError if one of their tests fails."""
    failed: list[str] = []

    def done(number: int, outcome: Outcome) -> None:
        if outcome.killed:
            failed.extend(unchanged[number].tests)

    _serve(_Server(unchanged, [], run, done), tests)
    if failed:
        message = f"these tests fail alone, without any mutant: {failed}"
        raise RuntimeError(message)


def _serve(server: _Server, tests: Sequence[str]) -> None:
    sys.dont_write_bytecode = True
    arguments = ["-q", "-p", "no:cacheprovider", "--tb=line", *QUIET]
    code = pytest.main([*arguments, *tests], plugins=[server])
    if not server.served:
        message = f"the tests cannot be collected: exit code {int(code)}"
        raise RuntimeError(message)


class _Server(Limits):
    """A pytest plugin that forks for every trial instead of running the tests.

    Args:
        trials: to run.
        codes: of the changed functions; none if nothing is changed.
        run: `run_all`.
        done: takes the outcomes.
    """

    def __init__(
        self,
        trials: Sequence[Trial],
        codes: Sequence[CodeType],
        run: Callable[..., None],
        done: Callable[[int, Outcome], None],
    ) -> None:
        self._trials, self._run, self._done = trials, run, done
        self._codes = {trial.text: code for trial, code in zip(trials, codes, strict=False)}
        self._functions: dict[_Key, list[FunctionType]] = {}
        self._items: dict[str, pytest.Item] = {}
        self.served = False

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Run every trial in a process of its own."""
        if session.testsfailed:
            return True
        self._items = {item.nodeid: item for item in session.items}
        self._functions = _functions()
        gc.freeze()
        child = self._changed if self._codes else self._tests
        self._run(self._trials, child=child, done=self._done)
        self.served = True
        return True

    def _changed(self, trial: Trial) -> int:
        code = self._codes[trial.text]
        live = self._functions[_key(code)]
        if not live:  # a test imports the file while it runs
            install(trial)
        for function in live:
            function.__code__ = code
        return self._tests(trial)

    def _tests(self, trial: Trial) -> int:
        self.trial = trial
        plugins = next(iter(self._items.values())).config.pluginmanager
        plugins.unregister(name="terminalreporter")  # it writes where this process began
        chosen = [self._items[test] for test in trial.tests]
        for item, following in zip(chosen, [*chosen[1:], None], strict=True):
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
            if item.session.testsfailed:
                return 1
        return 0


def _functions() -> dict[_Key, list[FunctionType]]:
    """All live functions by where they are from."""
    found: dict[_Key, list[FunctionType]] = defaultdict(list)
    for one in gc.get_objects():
        if isinstance(one, FunctionType):
            found[_key(one.__code__)].append(one)
    return found


def _key(code: CodeType) -> _Key:
    return _real(code.co_filename), code.co_qualname, code.co_firstlineno


@functools.cache
def _real(name: str) -> str:
    return os.path.realpath(name)


def _differences(former: CodeType, new: CodeType) -> Iterator[tuple[CodeType, CodeType] | None]:
    """Functions that differ, themselves or in what is within; None for a module or a class."""
    if _own(former) != _own(new):
        yield None
        return
    for before, after in zip(_nested(former), _nested(new), strict=True):
        if not before.co_flags & CO_OPTIMIZED:
            yield from _differences(before, after)
        elif _whole(before) != _whole(after):
            yield before, after


def _own(code: CodeType) -> tuple[object, ...]:
    """What a code does, without what is within; constants by type, for 0 is not False."""
    constants = [
        (one.co_qualname, one.co_firstlineno)
        if isinstance(one, CodeType)
        else (type(one), repr(one))
        for one in code.co_consts
    ]
    names = code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars
    signature = code.co_argcount, code.co_kwonlyargcount, code.co_posonlyargcount, code.co_flags
    return code.co_code, code.co_exceptiontable, constants, *names, *signature


def _nested(code: CodeType) -> list[CodeType]:
    return [one for one in code.co_consts if isinstance(one, CodeType)]


def _within(code: CodeType) -> Iterator[CodeType]:
    yield code
    for one in _nested(code):
        yield from _within(one)


def _whole(code: CodeType) -> list[tuple[object, ...]]:
    return [_own(one) for one in _within(code)]
