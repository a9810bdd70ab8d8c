"""OTLP requests, protobuf or JSON: bytes to the message, and to answers in the same form.

Whatever the bytes are, only `BadRequestError` is raised. A point, metric or attribute that cannot
be decoded costs its own points, which are reported (`codecs.otlp_salvage`), not its neighbours.
"""

from collections.abc import Callable
from typing import Any

from google.protobuf import json_format
from google.protobuf.message import DecodeError
from google.protobuf.unknown_fields import UnknownFieldSet
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2

from padit.codecs.bodies import BadRequestError
from padit.codecs.otlp_salvage import salvage_json, salvage_protobuf

__all__ = ["JSON", "PROTOBUF", "read_request", "write_response"]

PROTOBUF = "application/x-protobuf"
JSON = "application/json"

_OLD_JSON = b"instrumentationLibraryMetrics"
_OLD_FIELD = 1000
_BLANK = b"\xef\xbb\xbf \t\r\n"


def _raise(_count: int, reason: str) -> None:
    message = f"no ExportMetricsServiceRequest: {reason}"
    raise BadRequestError(message)


def read_request(body: bytes, content_type: str, lost: Callable[[int, str], None] = _raise) -> Any:
    """An `ExportMetricsServiceRequest`.

    Args:
        body: as it came, decompressed.
        content_type: `PROTOBUF` or `JSON`.
        lost: called with (points, reason) for points that cannot be decoded.

    Raises:
        BadRequestError: it is none, or of a version before scopes were called scopes.
    """
    request = metrics_service_pb2.ExportMetricsServiceRequest()
    if content_type == JSON and body.lstrip(_BLANK)[:1] != b"{":
        hint = _looks_like(body, content_type)
        message = f"no ExportMetricsServiceRequest: the body is no JSON object{hint}"
        raise BadRequestError(message)
    try:
        if content_type == JSON:
            json_format.Parse(body, request, ignore_unknown_fields=True)
        else:
            request.ParseFromString(body)
    except Exception as error:  # also the JSON parser's own bugs, on shapes it does not expect
        request = _salvaged(body, content_type, lost, error)
    if any(_is_old(resource) for resource in request.resource_metrics) or (
        content_type == JSON and _OLD_JSON in body and not _has_scopes(request)
    ):
        message = "instrumentationLibraryMetrics is OTLP before 0.16; scopeMetrics is read"
        raise BadRequestError(message)
    return request


def _salvaged(
    body: bytes, content_type: str, lost: Callable[[int, str], None], error: Exception
) -> Any:
    salvage = salvage_json if content_type == JSON else salvage_protobuf
    try:
        return salvage(body, lost)
    except BadRequestError:
        raise
    except Exception as second:
        known = isinstance(error, DecodeError | json_format.ParseError | UnicodeDecodeError)
        name = "" if known or isinstance(error, RecursionError) else f"{type(error).__name__}: "
        message = f"no ExportMetricsServiceRequest: {name}{error}{_looks_like(body, content_type)}"
        raise BadRequestError(message) from second


def _looks_like(body: bytes, content_type: str) -> str:
    """What a body is that is not what its headers say."""
    if body.startswith(b"\x1f\x8b"):
        return "; it is gzip: send Content-Encoding: gzip"
    if content_type != JSON and body.lstrip(_BLANK)[:1] == b"{":
        return f"; it looks like JSON: send Content-Type: {JSON}"
    return ""


def _is_old(resource: Any) -> bool:
    if resource.scope_metrics:
        return False
    return any(field.field_number == _OLD_FIELD for field in UnknownFieldSet(resource))


def _has_scopes(request: Any) -> bool:
    return any(resource.scope_metrics for resource in request.resource_metrics)


def write_response(rejected: int, reason: str, content_type: str) -> bytes:
    """An `ExportMetricsServiceResponse`; a partial success if points were rejected."""
    answer = metrics_service_pb2.ExportMetricsServiceResponse()
    if rejected:
        answer.partial_success.rejected_data_points = rejected
        answer.partial_success.error_message = reason
    if content_type == JSON:
        return str(json_format.MessageToJson(answer, indent=None)).encode()
    return bytes(answer.SerializeToString())
