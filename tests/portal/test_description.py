"""The description of the API: an example of everything, and every refusal as it is sent."""

import inspect
import re
from collections.abc import Iterator
from typing import Any

import pytest

from padit.portal.api import (
    access,
    alerts,
    commands,
    compare,
    incidents,
    logs,
    machines,
    series,
    training,
    whatif,
)
from padit.portal.app import create_app
from padit.portal.description import described
from padit.portal.limiting import Limiter

_LISTS = {"/api/alerts", "/api/incidents", "/api/machines", "/api/machines/{machine}/logs",
          "/api/machines/{machine}/status", "/api/series", "/api/silences", "/api/v1/logs",
          "/api/keys", "/api/users", "/api/audit", "/api/models", "/api/trainings", "/api/compare",
          "/api/why-not", "/api/incidents/{incident}/timeline",
          "/api/incidents/{incident}/members"}  # fmt: skip
_OVER_TIME = {"/api/alerts", "/api/incidents", "/api/machines/{machine}/logs", "/api/series/moved",
              "/api/series/lanes", "/api/series/values", "/api/series/{source}/{metric}",
              "/api/v1/logs", "/api/v1/logs/statistics", "/api/audit"}  # fmt: skip


def _nothing() -> Any:
    """No portal: the routes are only looked at."""


@pytest.fixture(scope="module")
def found() -> dict[str, Any]:
    """The description."""
    return described(create_app(_nothing, Limiter()).openapi())


def _operations(found: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, operations in found["paths"].items():
        for method, one in operations.items():
            yield f"{method} {path}", one


def test_every_answer_and_every_body_has_an_example(found: dict[str, Any]) -> None:
    lacking = []
    for name, one in _operations(found):
        good = [each for status, each in one["responses"].items() if status[0] == "2"]
        bodies = one["requestBody"]["content"].values() if "requestBody" in one else ()
        for content in [each for answer in good for each in answer["content"].values()]:
            if "example" not in content:
                lacking.append(f"{name}: its answer")
        for body in bodies:
            schema = found["components"]["schemas"].get(body["schema"].get("$ref", "")[21:], {})
            if "example" not in body and "example" not in schema:
                lacking.append(f"{name}: its body")
    assert lacking == []


@pytest.mark.parametrize("model", [
    access.Login, access.FirstLogin, access.NewKey, access.Invitation, commands.Done,
    commands.Verdict, commands.Silence, training.Wanted, whatif.Trial,
])  # fmt: skip
def test_the_example_of_a_body_is_one(model: Any) -> None:
    model.model_validate(model.model_json_schema()["example"])


def test_every_refusal_is_described_as_the_problem_that_is_sent(found: dict[str, Any]) -> None:
    assert "HTTPValidationError" not in str(found)
    for name, one in _operations(found):
        refusals = {status: each for status, each in one["responses"].items() if status[0] > "3"}
        assert {"429", "503"} <= set(refusals), name
        for status, each in refusals.items():
            (content,) = each["content"].items()
            assert content[0] == "application/problem+json", name
            assert content[1]["example"]["status"] == int(status), name


def test_lists_have_pages_and_what_lies_in_time_has_ranges(found: dict[str, Any]) -> None:
    def takes(*names: str) -> set[str]:
        return {
            path for path, each in found["paths"].items()
            if set(names) <= {one["name"] for one in each.get("get", {}).get("parameters", ())}
        }  # fmt: skip

    assert takes("cursor", "limit") == _LISTS
    assert takes("from", "to") == _OVER_TIME


def test_what_is_described_of_a_route_follows_from_its_definition_and_not_from_its_path(
    found: dict[str, Any],
) -> None:
    other = create_app(_nothing, Limiter()).openapi()
    other["paths"] = {f"/moved{path}": each for path, each in other["paths"].items()}
    moved = described(other)["paths"]
    assert {path.removeprefix("/moved"): each for path, each in moved.items()} == found["paths"]


def test_what_a_handler_refuses_by_itself_is_in_its_definition(found: dict[str, Any]) -> None:
    """404, 409 and 422 that stand in the code of a handler."""
    modules = (access, commands, training, whatif, series, compare, alerts, incidents, machines,
               logs)  # fmt: skip
    lacking, seen = [], 0
    for module in modules:
        for route in module.router.routes:
            source = inspect.getsource(route.endpoint)
            if "_give(" in source:
                source += inspect.getsource(commands._give)
            written = set(re.findall(r"HTTPException\(\s*(\d+)", source))
            path = found["paths"][route.path_format]
            (method,) = {one.lower() for one in route.methods} & set(path)
            lacking += [f"{method} {route.path}: {one}" for one in written
                        if one not in path[method]["responses"]]  # fmt: skip
            seen += len(written)
    assert (lacking, seen > 10) == ([], True)
