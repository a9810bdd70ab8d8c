"""What several tests of adapters start."""

from collections.abc import Iterator

import pytest

from tests.adapters.opcua_machine import Machine


@pytest.fixture
def machine() -> Iterator[Machine]:
    """An OPC UA server that has not started yet."""
    made = Machine()
    try:
        yield made
    finally:
        made.end()
