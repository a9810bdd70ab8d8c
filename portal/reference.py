"""The table of routes in docs/portal.md."""

from padit.portal.app import create_app
from padit.portal.limiting import Limiter
from padit.portal.routing import all_routes

__all__ = ["routes_table"]


def _nothing() -> None:
    """No portal: the routes are only looked at."""


def routes_table() -> str:
    """Every route: method, path, the role it needs, and what it does."""
    app = create_app(_nothing, Limiter())  # type: ignore[arg-type]
    rows = sorted(all_routes(app.routes), key=lambda one: (one.path, one.method))
    lines = ["| method | path | role | what it does |", "|---|---|---|---|"]
    lines += [f"| {one.method} | `{one.path}` | {one.role} | {one.what} |" for one in rows]
    return "\n".join(lines) + "\n"
