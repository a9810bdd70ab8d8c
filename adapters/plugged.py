"""Adapters from plug-ins: `create_adapter` in one of its forms becomes an adapter of the runner.

`create_adapter(config)` and `create_adapter()` may return an adapter of `adapters.base`, or an
object with `collect(config)` and, if it likes, `validate_config(config)`. Both may be coroutines
or plain functions; plain ones run in a thread of their own. `collect` returns samples: `Metric`s,
mappings with the fields of one, or objects with such attributes. `config` holds the options of
the section, without those that every adapter has.
"""

import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar

import msgspec
from pydantic import ConfigDict

from padit.adapters.base import Adapter, AdapterOptions, Emitter, now
from padit.adapters.threads import Worker
from padit.domain.errors import ConfigurationError
from padit.domain.metric import Metric

__all__ = ["PluggedAdapter", "PluggedOptions", "plugged"]

Create = Callable[..., Any]
_FIELDS = Metric.__struct_fields__


class PluggedOptions(AdapterOptions):
    """Options that every adapter has, and whatever the plug-in takes."""

    model_config = ConfigDict(extra="allow", frozen=True)

    @property
    def config(self) -> dict[str, Any]:
        """What belongs to the plug-in."""
        return dict(self.model_extra or {})


def plugged(name: str, create: Create) -> type[Adapter]:
    """An adapter class around the `create_adapter` of a plug-in."""
    doc = inspect.getdoc(create) or f"The plug-in {name}."
    made: type[Adapter] = type(
        "PluggedAdapter", (PluggedAdapter,), {"create": staticmethod(create), "__doc__": doc}
    )
    return made


class PluggedAdapter:
    """An adapter around what a plug-in made."""

    Options: ClassVar[type[AdapterOptions]] = PluggedOptions
    create: ClassVar[Create]

    def __init__(self, options: PluggedOptions) -> None:
        """Make it and let it check its options.

        Raises:
            ConfigurationError: the plug-in failed, refused them, or made something else.
        """
        self.options = options
        self._worker = Worker(options.name)
        self._made = _made(options, type(self).create)
        self._inner = self._made if _is_adapter(self._made) else None

    async def open(self, emitter: Emitter) -> None:
        """Open what was made, if it can be opened."""
        if self._inner is not None:
            await self._inner.open(emitter)

    async def poll(self, emitter: Emitter) -> None:
        """Poll what was made, or collect and emit."""
        if self._inner is not None:
            await self._inner.poll(emitter)
            return
        collect = self._made.collect
        if inspect.iscoroutinefunction(collect):
            found = await collect(self.options.config)
        else:
            found = await self._worker.run(collect, self.options.config)
        emitter.emit(list(_samples(found, emitter)))

    async def close(self) -> None:
        """Close what was made, if it can be closed."""
        try:
            if self._inner is not None:
                await self._inner.close()
        finally:
            self._worker.close()


def _made(options: PluggedOptions, create: Create) -> Any:
    kind, config = options.type, options.config
    try:
        takes = len(inspect.signature(create).parameters)
        found = create(config) if takes else create()
        check = None if _is_adapter(found) else getattr(found, "validate_config", None)
        answer = check(config) if check is not None else True
    except (Exception, SystemExit) as error:  # whatever a stranger's code does
        message = f"adapter {kind!r} refuses its options: {type(error).__name__}: {error}"
        raise ConfigurationError(message) from error
    if not (_is_adapter(found) or callable(getattr(found, "collect", None))):
        message = (
            f"adapter {kind!r}: create_adapter returned a {type(found).__name__}, which has "
            "neither `collect(config)` nor `open`, `poll` and `close`"
        )
        raise ConfigurationError(message)
    if answer is False or (isinstance(answer, str | list | tuple) and answer):
        said = "" if answer is False else f": {str(answer)[:300]}"
        message = f"adapter {kind!r}: validate_config refuses the options {sorted(config)}{said}"
        raise ConfigurationError(message)
    return found


def _is_adapter(made: Any) -> bool:
    return all(inspect.iscoroutinefunction(getattr(made, n, None)) for n in ("open", "poll"))


def _samples(found: Any, emitter: Emitter) -> Iterable[Metric]:
    """Samples of what `collect` returned; each that is none is a fault."""
    if found is None:
        return
    if isinstance(found, Mapping | Metric) or not isinstance(found, Iterable):
        found = [found]
    for one in found:
        try:
            yield _sample(one)
        except (TypeError, ValueError, msgspec.ValidationError) as error:
            emitter.fault("malformed", f"collect returned {str(one)[:100]!r}: {error}")


def _sample(one: Any) -> Metric:
    if isinstance(one, Metric):
        return one
    if not isinstance(one, Mapping):
        one = {name: getattr(one, name) for name in _FIELDS if hasattr(one, name)}
        if not one:
            message = "neither a mapping nor an object with the fields of a metric"
            raise TypeError(message)
    fields = {name: value for name, value in one.items() if value is not None}
    moment = fields.setdefault("timestamp", now())
    if hasattr(moment, "isoformat"):
        fields["timestamp"] = moment.isoformat()
    return msgspec.convert(fields, Metric, strict=False)
