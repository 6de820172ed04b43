"""The messages of tfplugin6.proto as Python classes, and values as Terraform encodes them in messages."""

from __future__ import annotations

import json
import tempfile
from functools import cache
from pathlib import Path
from typing import Any, Final

import msgpack
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

PROTO = Path(__file__).resolve().parent / "tfplugin6.proto"
SERVICE = "tfplugin6.Provider"


class Unknown:
    """A value that will be known after apply; there is one of it."""

    def __repr__(self) -> str:
        return "UNKNOWN"

    def __deepcopy__(self, _: Any) -> Unknown:
        return self


UNKNOWN: Final = Unknown()


@cache
def _compiled() -> descriptor_pool.DescriptorPool:
    from grpc_tools import protoc  # a compiler: only what talks to Terraform needs it

    with tempfile.TemporaryDirectory() as folder:
        compiled = Path(folder) / "tfplugin6.binpb"
        arguments = ["protoc", f"-I{PROTO.parent}", f"--descriptor_set_out={compiled}", PROTO.name]
        if protoc.main(arguments) != 0:
            raise RuntimeError(f"protoc refuses {PROTO}")
        files = descriptor_pb2.FileDescriptorSet.FromString(compiled.read_bytes())
    pool = descriptor_pool.DescriptorPool()
    for file in files.file:
        pool.Add(file)
    return pool


@cache
def message(name: str) -> Any:
    """The class of message *name*, as in tfplugin6.proto."""
    return message_factory.GetMessageClass(_compiled().FindMessageTypeByName(f"tfplugin6.{name}"))


def calls() -> dict[str, tuple[Any, Any]]:
    """Every call of the service: the classes of its request and its answer."""
    methods = _compiled().FindServiceByName(SERVICE).methods
    get = message_factory.GetMessageClass
    return {method.name: (get(method.input_type), get(method.output_type)) for method in methods}


def decode(value: Any) -> Any:
    """A DynamicValue as plain Python; an absent one is ``None``.

    Every extension type is an unknown value, and what an unknown says of itself (its refinement) may be ignored.
    """
    if value.msgpack:
        return msgpack.unpackb(value.msgpack, ext_hook=lambda code, data: UNKNOWN, strict_map_key=False)
    return json.loads(value.json) if value.json else None


def encode(value: Any) -> Any:
    """Plain Python as a DynamicValue."""
    return message("DynamicValue")(msgpack=msgpack.packb(value, default=_extension))


def _extension(value: Any) -> Any:
    if value is UNKNOWN:
        return msgpack.ExtType(0, b"\0")
    raise TypeError(f"{value!r} has no form on the wire")
