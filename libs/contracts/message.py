"""The base of everything that travels on the bus, and its encoding."""

from typing import Any, TypeVar, overload

import msgspec


class Message(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=False):
    """A message on the bus. Concrete messages set `tag="topic.name.v1"`."""


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """A value inside messages; never sent on its own."""


T = TypeVar("T")

_encoder = msgspec.json.Encoder()


def encode(message: Any) -> bytes:
    """Return the wire form: UTF-8 JSON with the tag in `type`."""
    return _encoder.encode(message)


@overload
def decode(data: bytes, kind: type[T]) -> T: ...
@overload
def decode(data: bytes, kind: Any) -> Any: ...
def decode(data: bytes, kind: Any) -> Any:
    """Read a message of the given type or union.

    Raises msgspec.ValidationError for other shapes, msgspec.DecodeError for what is not JSON.
    """
    return msgspec.json.decode(data, type=kind)
