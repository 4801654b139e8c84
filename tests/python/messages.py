"""Reads messages of the metrics stream with opentelemetry-proto and prints what is in them, a line of JSON each.

Standard input has a line a message: its bytes, and those of the same message as another library has written it anew, both in
hexadecimal. A line that is printed has `rows`, one a series, with floating-point numbers as their bits; `unknown`, the fields that the
messages do not define; `same`, whether both messages are equal and serialised the same; and `stable`, whether what is serialised is read
as the same message.
"""

import json
import struct
import sys

from google.protobuf.message import Message
from google.protobuf.unknown_fields import UnknownFieldSet
from opentelemetry.proto.metrics.v1.metrics_pb2 import ResourceMetrics
from otlp import values


def unknown(message, path):
    """The numbers of unknown fields in a message and all that are in it, each with where it is."""
    for field in UnknownFieldSet(message):
        yield f"{path}.{field.field_number}"
    for descriptor, value in message.ListFields():
        for element in [value] if isinstance(value, Message) else value if descriptor.message_type else []:
            yield from unknown(element, f"{path}.{descriptor.name}")


def exact(value):
    if isinstance(value, float):
        return "f64:" + struct.pack(">d", value).hex()
    if isinstance(value, dict):
        return {key: exact(element) for key, element in value.items()}
    if isinstance(value, list):
        return [exact(element) for element in value]
    return value


def main():
    for line in sys.stdin:
        theirs, anew = (bytes.fromhex(part) for part in line.split())
        decoded, other = ResourceMetrics.FromString(theirs), ResourceMetrics.FromString(anew)
        written = decoded.SerializeToString(deterministic=True)
        found = {
            "rows": exact(values(theirs)),
            "unknown": list(unknown(decoded, "ResourceMetrics")),
            "same": decoded == other and written == other.SerializeToString(deterministic=True),
            "stable": ResourceMetrics.FromString(written) == decoded,
        }
        print(json.dumps(found))


main()
