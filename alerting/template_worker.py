"""Renders templates in a process of its own, which can be ended: `padit.alerting.templates`.

A line of JSON comes in, `{"parts": {name: template}, "values": {...}}`, and one goes out, by name
the text, or `{"error": "..."}`. An empty line says that it has started. Nothing else is imported,
so it starts quickly.
"""

import json
import resource
import sys

from jinja2 import TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment

__all__ = ["main", "render"]

_LONGEST = 20_000
_MEMORY = 512 << 20


def render(parts: dict[str, str], values: dict[str, object]) -> dict[str, str]:
    """The texts of templates.

    Raises:
        TemplateError, ArithmeticError, TypeError, ValueError, ...: whatever a template does.
    """
    environment = ImmutableSandboxedEnvironment()
    found = {}
    for name, text in parts.items():
        size, pieces = 0, []
        for piece in environment.from_string(text).generate(values):
            size += len(piece)
            if size > _LONGEST:
                message = f"{name} is longer than {_LONGEST} characters"
                raise ValueError(message)
            pieces.append(piece)
        found[name] = "".join(pieces)
    return found


def main() -> None:
    """Answer until the input ends."""
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    sys.stdout.write("\n")
    sys.stdout.flush()
    for line in sys.stdin:
        try:
            asked = json.loads(line)
            answer: dict[str, str] = render(asked["parts"], asked["values"])
        except (TemplateError, Exception) as error:  # whatever a template does
            answer = {"error": f"{type(error).__name__}: {error}"[:300]}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
