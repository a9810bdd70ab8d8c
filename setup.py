"""Package list of PADIT; everything else stands in pyproject.toml.

The rooms are folders at the top of the repository and links in `padit/`, which is why each is
installed, and imported, as `padit.<room>`.
"""

from setuptools import find_packages, setup

setup(
    packages=find_packages(include=["padit", "padit.*"]),
    package_data={
        "padit": [
            "py.typed",
            *(f"**/*.{kind}" for kind in ("html", "yaml", "sql", "js", "css", "svg", "txt")),
            *(f"devcluster/conf/{name}" for name in ("*.*", "java/*.java")),
        ]
    },
)
