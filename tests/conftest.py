"""What all tests share."""

import os

from hypothesis import settings

pytest_plugins = ["tests.parts"]

# CI tries the same examples every time, so it judges the change and not its luck; elsewhere new
# examples are tried with every run. A busy machine is no failure, so there are no deadlines.
settings.register_profile("ci", deadline=None, derandomize=True)
settings.register_profile("developer", deadline=None)
settings.load_profile("ci" if os.environ.get("CI") else "developer")
