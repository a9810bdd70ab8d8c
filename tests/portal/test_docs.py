"""The page on the portal keeps its word: its routes, options, keys and pictures."""

import argparse
import re
from pathlib import Path

from padit.cli.commands.portal import add_arguments
from padit.portal.reference import routes_table

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "portal.md").read_text(encoding="utf-8")


def test_the_table_of_routes_is_that_of_the_application() -> None:
    start = PAGE.index("<!-- routes -->\n") + len("<!-- routes -->\n")
    assert PAGE[start : PAGE.index("<!-- /routes -->")] == routes_table()


def test_the_options_on_the_page_exist() -> None:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    known = {one for action in parser._actions for one in action.option_strings}
    named = set(re.findall(r"`(--[a-z_]+)", PAGE)) - {"--features", "--only"}
    assert named <= known
    assert {"--data", "--config", "--deliver", "--state", "--cert", "--new_link"} <= named


def test_every_key_of_the_page_is_in_its_list() -> None:
    source = (DOCS.parent / "portal" / "static" / "js" / "keys.js").read_text(encoding="utf-8")
    actions = source[source.index("const ACTIONS") : source.index("addEventListener")]
    keys = set(re.findall(r'(?:^\s*|, )"?([a-z/?])"?: \(\)', actions, re.MULTILINE))
    assert keys == set("jkearsx?u/")
    assert all(f"`{key}`" in PAGE for key in keys)


def test_the_pictures_of_the_page_exist() -> None:
    for name in re.findall(r"!\[[^\]]*\]\(([^)]+)\)", PAGE):
        assert (DOCS / name).stat().st_size > 10_000


def test_the_page_asks_for_all_of_its_modules_at_once() -> None:
    folder = Path(__file__).parents[2] / "portal" / "static"
    text = (folder / "index.html").read_text(encoding="utf-8")
    asked = re.findall(r'rel="modulepreload" href="/static/([^"]+)"', text)
    assert asked == sorted(one.relative_to(folder).as_posix() for one in folder.rglob("*.js"))
