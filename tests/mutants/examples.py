"""Fewer examples of Hypothesis for mutants: the same ones every time, and no smaller ones sought.

What takes a hundred examples to be noticed survives; with fewer of them twice as many mutants are
tried in the same time.
"""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, Phase, settings

__all__ = ["few", "few_of"]

_MOST = 15


def few() -> None:
    """Before tests are imported, which take their settings from the profile."""
    settings.register_profile(
        "mutants",
        settings.get_profile("ci"),
        max_examples=_MOST,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=[HealthCheck.too_slow],
    )
    settings.load_profile("mutants")


def few_of(item: pytest.Item) -> None:
    """A test that has settings of its own."""
    test = getattr(item, "obj", None)
    own = getattr(test, "_hypothesis_internal_use_settings", None)
    if test is not None and isinstance(own, settings) and own.max_examples > _MOST:
        function = getattr(test, "__func__", test)
        function._hypothesis_internal_use_settings = settings(own, max_examples=_MOST)
