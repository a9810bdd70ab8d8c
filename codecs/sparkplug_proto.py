"""The message of Sparkplug B, built from its field numbers (`org.eclipse.tahu.protobuf`)."""

from padit.codecs.proto import build_messages

__all__ = ["Payload"]

_MESSAGES = {
    "PropertyValue": {
        "type": (1, "uint32", False),
        "is_null": (2, "bool", False),
        "int_value": (3, "uint32", False),
        "long_value": (4, "uint64", False),
        "string_value": (8, "string", False),
    },
    "PropertySet": {
        "keys": (1, "string", True),
        "values": (2, "PropertyValue", True),
    },
    "Template": {
        "version": (1, "string", False),
        "metrics": (2, "Metric", True),
        "template_ref": (4, "string", False),
        "is_definition": (5, "bool", False),
    },
    "Metric": {
        "name": (1, "string", False),
        "alias": (2, "uint64", False),
        "timestamp": (3, "uint64", False),
        "datatype": (4, "uint32", False),
        "is_historical": (5, "bool", False),
        "is_transient": (6, "bool", False),
        "is_null": (7, "bool", False),
        "properties": (9, "PropertySet", False),
        "int_value": (10, "uint32", False),
        "long_value": (11, "uint64", False),
        "float_value": (12, "float", False),
        "double_value": (13, "double", False),
        "boolean_value": (14, "bool", False),
        "string_value": (15, "string", False),
        "bytes_value": (16, "bytes", False),
        "dataset_value": (17, "bytes", False),  # a message: bytes on the wire
        "template_value": (18, "Template", False),
    },
    "Payload": {
        "timestamp": (1, "uint64", False),
        "metrics": (2, "Metric", True),
        "seq": (3, "uint64", False),
        "uuid": (4, "string", False),
        "body": (5, "bytes", False),
    },
}

(Payload,) = build_messages("padit.sparkplug", _MESSAGES, "Payload", syntax="proto2")
"""Payload of every topic but STATE."""
