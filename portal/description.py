"""The description of the API (OpenAPI): what FastAPI makes of the routes, with every refusal.

Refusals are problems (RFC 9457), of which FastAPI knows nothing; it would describe its own 422.
"""

from typing import Any

from padit.portal.answers import PROBLEM
from padit.portal.routing import REFUSES, ROLE

__all__ = ["described"]

_PROBLEM: dict[str, Any] = {
    "type": "object",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string"}, "title": {"type": "string"}, "status": {"type": "integer"},
        "detail": {"type": "string"},
        "faults": {"type": "array", "items": {"type": "object", "properties": {
            "where": {"type": "string"}, "what": {"type": "string"}}}},
    },
}  # fmt: skip
_REFUSALS = {
    "401": ("Who are you?", "log in, or send a key or token"),
    "403": ("Not allowed", "this needs the role operator; you are viewer"),
    "404": ("Not found", "there is no such incident"),
    "409": ("Conflict", "it is over already"),
    "413": ("Too large", "the body is too large"),
    "422": ("Cannot be used", "`to` lies before `from`"),
    "429": ("Too many", "too many requests"),
    "503": ("Not now", "the alerting engine does not answer"),
}


def described(found: dict[str, Any]) -> dict[str, Any]:
    """The description with the refusals of every operation, in place.

    Args:
        found: as FastAPI makes it.
    """
    schemas = found.setdefault("components", {}).setdefault("schemas", {})
    for ours in ("HTTPValidationError", "ValidationError"):
        schemas.pop(ours, None)
    schemas["Problem"] = _PROBLEM
    for operations in found["paths"].values():
        for method, one in operations.items():
            _describe(method, one)
    return found


def _describe(method: str, one: dict[str, Any]) -> None:
    responses = one["responses"]
    takes = "requestBody" in one
    responses.pop("422", None)
    refused = ["429", "503", *one.get(REFUSES, ())]
    if one.get(ROLE) != "public" or method != "get":
        refused += ["401", "403"]
    if any(each["in"] == "path" for each in one.get("parameters", ())):
        refused.append("404")
    if takes:
        refused.append("413")
    if takes or one.get("parameters"):
        refused.append("422")
    for status in sorted(set(refused)):
        title, detail = _REFUSALS[status]
        body = {"type": "about:blank", "title": title, "status": int(status), "detail": detail}
        responses[status] = {
            "description": title,
            "content": {PROBLEM: {"schema": {"$ref": "#/components/schemas/Problem"},
                                  "example": body}},
        }  # fmt: skip
