"""Reads all that an old client can from a running program, with grpcio and opentelemetry-proto, and prints it as JSON.

python read.py HOST:PORT FOLDER_OF_COMMON_PROTO
"""

import importlib
import json
import pathlib
import struct
import sys
import tempfile

import grpc
from grpc_tools import protoc
from otlp import values

HERE = pathlib.Path(__file__).parent


def generate(common):
    """Compiles telemetry.proto; the messages that it imports are those of opentelemetry-proto's own Python package."""
    out = tempfile.mkdtemp()
    arguments = ["protoc", f"-I{HERE}", f"-I{common}", f"--python_out={out}", f"--grpc_python_out={out}"]
    if protoc.main([*arguments, str(HERE / "telemetry.proto")]) != 0:
        sys.exit("telemetry.proto does not compile")
    sys.path.insert(0, out)
    return importlib.import_module("telemetry_pb2"), importlib.import_module("telemetry_pb2_grpc")


def messages(data):
    """The framing: u32 length of what follows, u64 Unix nanoseconds, payload, all big-endian."""
    while data:
        length, time_ns = struct.unpack_from(">IQ", data)
        yield time_ns, data[12 : 4 + length]
        data = data[4 + length :]


def main():
    host, common = sys.argv[1:3]
    pb, pb_grpc = generate(common)
    stub = pb_grpc.TelemetryStub(grpc.insecure_channel(host))
    properties = {}
    for found in stub.GetProperties(pb.GetPropertiesRequest(), timeout=30):
        kind = found.WhichOneof("value")
        assert kind, f"{found.name} has no value"
        properties[found.name] = getattr(found, kind)
    descriptors = stub.GetStreamDescriptors(pb.GetStreamDescriptorsRequest(), timeout=30).stream_descriptors
    streams = {}
    for found in descriptors:
        kind = found.stream_type.WhichOneof("type")
        streams[found.stream_id] = found.stream_type.event.name if kind == "event" else kind
    segments = list(stub.GetStream(pb.GetStreamRequest(stream_id=0, sequence_number_since=0), timeout=30))
    metrics = [(time_ns, values(payload)) for segment in segments for time_ns, payload in messages(segment.data)]
    try:
        list(stub.GetStream(pb.GetStreamRequest(stream_id=9999), timeout=30))
        unknown = "OK"
    except grpc.RpcError as error:
        unknown = error.code().name
    print(
        json.dumps(
            {
                "session": stub.GetSession(pb.GetSessionRequest(), timeout=30).uuid,
                "properties": properties,
                "streams": streams,
                "sequences": [segment.sequence_number for segment in segments],
                "metrics": metrics,
                "unknown_stream": unknown,
            }
        )
    )


main()
