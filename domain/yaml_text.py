"""YAML as people write it: safe types only, and no key that stands twice.

YAML's own loader takes the last of two equal keys, so half of what somebody wrote would not count.
"""

import re
from typing import Any

import yaml

from padit.domain.secret_options import holds_secret

__all__ = ["read_yaml"]

_NO_VALUE = (ValueError, LookupError, AttributeError, OverflowError)
"""What the loader raises, beside its own errors, of `2026-02-30`, `!!bool x` and `!!float ''`."""

_KEY = re.compile(r"""([\w.-]+)["']?\s*:""")
_QUOTED = re.compile(r"'.*'")

_MOST_REPEATED = 100_000
_MOST_BITS = 1024


class _OnceLoader(yaml.SafeLoader):
    """As `yaml.SafeLoader`; of a mapping with a key twice it makes an error with its line."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._seen: set[yaml.MappingNode] = set()

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        """Called once before the keys of `<<` are put in, and again by what merges this one."""
        if node not in self._seen:
            self._seen.add(node)
            _refuse_twice(node)
        super().flatten_mapping(node)


def _whole_number(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> int:
    """A number; Python writes none of more than 4,300 digits, also not into a message."""
    found: int = loader.construct_yaml_int(node)
    if found.bit_length() > _MOST_BITS:
        message = f"a whole number has more than {_MOST_BITS:,} bits"
        raise ValueError(message)
    return found


_OnceLoader.add_constructor("tag:yaml.org,2002:int", _whole_number)


def _refuse_twice(node: yaml.MappingNode) -> None:
    names: set[tuple[str, str]] = set()
    for key, _ in node.value:
        if not isinstance(key, yaml.ScalarNode):
            continue
        name = (key.tag, key.value)
        if name in names:
            message = f"the key {key.value!r} stands twice"
            raise yaml.constructor.ConstructorError(None, None, message, key.start_mark)
        names.add(name)


def _refuse_what_aliases_blow_up(root: yaml.Node) -> None:
    """Ten aliases of ten aliases of ... are few bytes, and more values than memory holds."""
    sizes: dict[yaml.Node, int] = {}

    def size(node: yaml.Node) -> int:
        found = sizes.get(node)
        if found == 0:
            message = "an alias stands in what it names"
            raise yaml.constructor.ConstructorError(None, None, message, node.start_mark)
        if found is None:
            sizes[node] = 0
            below = node.value if isinstance(node, yaml.SequenceNode) else ()
            if isinstance(node, yaml.MappingNode):
                below = [one for pair in node.value for one in pair]
            found = sizes[node] = 1 + sum(map(size, below))
        return found

    if size(root) - len(sizes) > _MOST_REPEATED:
        message = f"its aliases repeat more than {_MOST_REPEATED:,} values"
        raise yaml.YAMLError(message)


def _without_values(error: yaml.MarkedYAMLError) -> yaml.MarkedYAMLError:
    """The error with line and column, and without the text there: it may be a password."""
    lines = [mark.get_snippet() or "" for mark in (error.context_mark, error.problem_mark) if mark]
    if any(holds_secret(found[1]) for line in lines for found in _KEY.finditer(line)):
        error.problem = error.problem and _QUOTED.sub("'...'", error.problem)
        error.context = error.context and _QUOTED.sub("'...'", error.context)
    for mark in (error.context_mark, error.problem_mark):
        if mark is not None:
            mark.buffer = None
    return error


def read_yaml(text: str) -> Any:
    """What a text says.

    >>> read_yaml("a: {b: 1}")
    {'a': {'b': 1}}

    Raises:
        yaml.YAMLError: it is no YAML, or a key stands twice, or it is nested too deep, or its
            aliases make too much of it, or it has a day or a number that there is not.
    """
    loader = _OnceLoader(text)
    try:
        node = loader.get_single_node()
        if node is None:
            return None
        _refuse_what_aliases_blow_up(node)
        return loader.construct_document(node)
    except yaml.MarkedYAMLError as error:
        raise _without_values(error) from None
    except RecursionError as error:
        message = "it is nested too deep"
        raise yaml.YAMLError(message) from error
    except _NO_VALUE as error:
        message = f"it has a value that is none: {error}"
        raise yaml.YAMLError(message) from error
    finally:
        loader.dispose()
