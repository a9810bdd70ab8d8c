"""Texts of messages by templates of the configuration: Jinja2 in a sandbox, in another process.

A template that fails, loops or grows costs its receiver two seconds and nothing else: the usual
text is sent instead, and says so.
"""

import os
import subprocess
import sys
import threading
from collections.abc import Mapping
from typing import Any

import msgspec

from padit.alerting.effects import Handed
from padit.alerting.notifiers.base import headline
from padit.domain.errors import ConfigurationError

__all__ = ["Templates"]

_SECONDS, _START_SECONDS = 2.0, 10.0
_ENVIRONMENT = ("PATH", "PYTHONPATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH")  # no secrets
_encoder = msgspec.json.Encoder()


class Templates:
    """Templates of one receiver.

    Args:
        parts: `title`, `text`, by name; empty ones are left out.
        link: template of the page of an incident.

    Raises:
        ConfigurationError: one is no template, or Jinja2 is missing.
    """

    def __init__(self, parts: Mapping[str, str], link: str) -> None:
        self._parts = {name: text for name, text in parts.items() if text}
        self._link = link
        self._process: subprocess.Popen[str] | None = None
        if self._parts:
            _check(self._parts)

    def __bool__(self) -> bool:
        return bool(self._parts)

    def apply(self, message: Handed, link: str) -> Handed:
        """A message with its texts.

        Args:
            message: of the engine.
            link: to the page of its incident; empty without one.
        """
        if not self._parts:
            return message
        values = {
            "message": msgspec.to_builtins(message),
            "incident": msgspec.to_builtins(message.view),
            "headline": headline(message),
            "link": link,
        }
        asked = _encoder.encode({"parts": self._parts, "values": values}).decode() + "\n"
        answer = self._ask(asked)
        if "error" in answer:
            note = f"(the template of this receiver failed: {answer['error']})"
            return msgspec.structs.replace(message, note=note)
        return msgspec.structs.replace(
            message, title=answer.get("title", "").strip(), text=answer.get("text", "")
        )

    def _ask(self, asked: str) -> dict[str, Any]:
        """One question to the process; one that takes too long is ended."""
        if self._process is None or self._process.poll() is not None:
            self.close()
            self._process = _started()
            if not _answer(self._process, "", _START_SECONDS):
                self.close()
                return {"error": f"it did not start within {_START_SECONDS:g} s"}
        line = _answer(self._process, asked, _SECONDS)
        if not line.endswith("\n"):
            self.close()
            return {"error": f"it took more than {_SECONDS:g} s, or too much memory"}
        answer: dict[str, Any] = msgspec.json.decode(line)
        return answer

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.kill()
            for stream in (self._process.stdin, self._process.stdout):
                if stream is not None:
                    stream.close()
            self._process.wait()
            self._process = None


def _started() -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "padit.alerting.template_worker"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={name: os.environ[name] for name in _ENVIRONMENT if name in os.environ},
    )


def _answer(process: "subprocess.Popen[str]", asked: str, seconds: float) -> str:
    """The line that answers a question; one that takes longer is the end of the process."""
    timer = threading.Timer(seconds, process.kill)
    timer.start()
    try:
        if process.stdin is None or process.stdout is None:
            return ""
        process.stdin.write(asked)
        process.stdin.flush()
        return process.stdout.readline()
    except (OSError, ValueError):
        return ""
    finally:
        timer.cancel()


def _check(parts: Mapping[str, str]) -> None:
    try:
        from jinja2 import TemplateSyntaxError
        from jinja2.sandbox import ImmutableSandboxedEnvironment
    except ImportError as error:
        message = f"templates need jinja2 ({error}): pip install 'padit[alerting]'"
        raise ConfigurationError(message) from error
    for name, text in parts.items():
        try:
            ImmutableSandboxedEnvironment().parse(text)
        except TemplateSyntaxError as error:
            message = f"{name} is no template: line {error.lineno}: {error.message}"
            raise ConfigurationError(message) from error
        except (RecursionError, MemoryError) as error:
            message = f"{name} is no template: it is nested too deep"
            raise ConfigurationError(message) from error
