"""OTLP requests, protobuf or JSON: bytes to the message, and to answers in the same form.

Whatever the bytes are, only `BadRequestError` is raised.
"""

from typing import Any

from google.protobuf import json_format
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2

from padit.codecs.bodies import BadRequestError

__all__ = ["JSON", "PROTOBUF", "read_request", "write_response"]

PROTOBUF = "application/x-protobuf"
JSON = "application/json"


def read_request(body: bytes, content_type: str) -> Any:
    """An `ExportMetricsServiceRequest`; `content_type` is `PROTOBUF` or `JSON`."""
    request = metrics_service_pb2.ExportMetricsServiceRequest()
    try:
        if content_type == JSON:
            json_format.Parse(body, request, ignore_unknown_fields=True)
        else:
            request.ParseFromString(body)
    except (DecodeError, json_format.ParseError, UnicodeDecodeError, RecursionError) as error:
        message = f"no ExportMetricsServiceRequest: {error}"
        raise BadRequestError(message) from error
    except Exception as error:  # the JSON parser's own bugs, on shapes that it does not expect
        message = f"no ExportMetricsServiceRequest: {type(error).__name__}: {error}"
        raise BadRequestError(message) from error
    return request


def write_response(rejected: int, reason: str, content_type: str) -> bytes:
    """An `ExportMetricsServiceResponse`; a partial success if points were rejected."""
    answer = metrics_service_pb2.ExportMetricsServiceResponse()
    if rejected:
        answer.partial_success.rejected_data_points = rejected
        answer.partial_success.error_message = reason
    if content_type == JSON:
        return str(json_format.MessageToJson(answer, indent=None)).encode()
    return bytes(answer.SerializeToString())
