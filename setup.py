"""Package list of PADIT; everything else stands in pyproject.toml."""

from setuptools import find_packages, setup

setup(
    packages=find_packages(
        include=[
            f"{name}{suffix}"
            for name in ("domain", "adapters", "connectors", "transforms", "pipelines", "portal")
            for suffix in ("", ".*")
        ]
    ),
    package_data={"pipelines": ["py.typed", "**/*.html", "**/*.yaml"]},
)
