"""Protobuf messages built from their field numbers, for protocols without a Python package.

Fields that are not named are left out: protobuf passes over them. A field of a string or a message
can be declared as bytes: it is then kept undecoded, so that one that is damaged does not cost the
others.
"""

from collections.abc import Mapping
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

__all__ = ["Fields", "build_messages"]

_F = descriptor_pb2.FieldDescriptorProto
_TYPES = {
    "double": _F.TYPE_DOUBLE,
    "float": _F.TYPE_FLOAT,
    "int64": _F.TYPE_INT64,
    "uint64": _F.TYPE_UINT64,
    "uint32": _F.TYPE_UINT32,
    "int32": _F.TYPE_INT32,
    "sint32": _F.TYPE_SINT32,
    "sint64": _F.TYPE_SINT64,
    "bool": _F.TYPE_BOOL,
    "string": _F.TYPE_STRING,
    "bytes": _F.TYPE_BYTES,
}

Fields = Mapping[str, tuple[int, str, bool]]
"""Field to (number, type, repeated); a type with a capital is a message of the same file."""


def build_messages(
    package: str, messages: Mapping[str, Fields], *tops: str, syntax: str = "proto3"
) -> list[Any]:
    """Classes of messages.

    Args:
        package: of the messages.
        messages: by name their fields.
        tops: names of the messages that are wanted as classes.
        syntax: proto3, or proto2, whose fields know whether they are present.
    """
    file = descriptor_pb2.FileDescriptorProto(
        name=f"{package.replace('.', '/')}.proto", package=package, syntax=syntax
    )
    for name, fields in messages.items():
        message = file.message_type.add(name=name)
        for field, (number, kind, repeated) in fields.items():
            label = _F.LABEL_REPEATED if repeated else _F.LABEL_OPTIONAL
            added = message.field.add(name=field, number=number, label=label)
            if kind in _TYPES:
                added.type = _TYPES[kind]
            else:
                added.type = _F.TYPE_MESSAGE
                added.type_name = f".{package}.{kind}"
    pool = descriptor_pool.DescriptorPool()  # our own: names of other packages cannot clash
    pool.Add(file)
    return [
        message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{package}.{top}"))
        for top in tops
    ]
