"""What a trained model saw, in one sentence for a person."""

import math

from padit.transforms.detectors.artefact import Artefact, Metric
from padit.transforms.detectors.channels import Channel, Corner, Feature, Relation

__all__ = ["name_of", "sentence"]

_SIGNS = {"product": " x ", "difference": " - ", "value": ""}


def sentence(
    model: Artefact, channel: Channel, metric: Metric, value: float, own: float, expected: float
) -> str:
    """Why a channel stands out.

    Args:
        model: that judged.
        channel: of it.
        metric: the one the score stands at.
        value: what the channel measured.
        own: the metric's value, averaged as the channel does.
        expected: what the other metrics imply; NaN where the channel is no relation.
    """
    averaged = f" (mean of {channel.span} rows)" if channel.span > 1 else ""
    mine = f"{metric.name} {_number(own)} {metric.unit}".rstrip() + averaged
    if isinstance(channel.what, Relation) and not math.isnan(expected):
        return (
            f"{mine} does not fit the other metrics, which imply {_number(expected)}: "
            f"T2 {_number(value)}, the recording stayed below {_number(channel.high)}"
        )
    if isinstance(channel.what, Corner):
        sides = ["high" if high else "low" for high in channel.what.high]
        names = [name_of(model, one) for one in (channel.what.first, channel.what.second)]
        return (
            f"{mine}: so {sides[0]} a {names[0]} with so {sides[1]} a {names[1]} was never "
            f"recorded, though {_number(value)} such rows were to be expected"
        )
    name = name_of(model, channel.what)
    shown = mine if metric.name == name else f"{name} {_number(value)}{averaged}"
    if channel.high is not None and value > channel.high:
        return f"{shown} is above {_number(channel.high)}, the highest recorded"
    return f"{shown} is below {_number(channel.low)}, the lowest recorded"


def name_of(model: Artefact, what: Feature | Relation | Corner) -> str:
    """A channel's name, as torque_nm x rpm."""
    if isinstance(what, Feature):
        return _SIGNS[what.op].join(model.metrics[i].name for i in what.metrics)
    if isinstance(what, Corner):
        return f"{name_of(model, what.first)} with {name_of(model, what.second)}"
    return "T2 of all metrics"


def _number(value: float | None) -> str:
    return "nothing" if value is None else f"{value:,.4g}"
