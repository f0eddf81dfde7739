"""JSON bodies: decoded in one step into what the handler takes, exactly as the document says.

The framework would decode them without a type and then convert, with "0" for false and 1e10 for a
date.
"""

import re
from functools import cache
from typing import Any

import msgspec
from litestar import Request

from services.api.http.errors import InvalidRequest

BOM = b"\xef\xbb\xbf"
OTHER_ENCODINGS = re.compile(rb"\xff\xfe|\xfe\xff|\x00|[^\x00]\x00")
"""How JSON begins in UTF-16 or UTF-32, with a byte order mark or without."""
WHERE = re.compile(r" - at `\$\.?([^`]*)`$")
STEP = re.compile(r"([^.\[\]]+)(?=\.|\[|$)|\[([0-9]+)\]")
NO_INTEGER = "got `float`"
PLAINLY = {r"Expected `str` matching regex '\\S'": "It must not be blank."}
FIELD = re.compile(r"field `([^`]+)`")


class TypedRequest(Request[Any, Any, Any]):
    """A request whose JSON is of its handler's type. Raises InvalidRequest."""

    async def body(self) -> bytes:
        """Return the body, which a handler that takes one needs."""
        body = await super().body()
        if not body and self.route_handler.parsed_data_field is not None:
            raise InvalidRequest("The body is empty; send JSON.")
        return body

    async def json(self) -> Any:
        """Return the body as what the handler takes."""
        body = await self.body()
        data = self.route_handler.parsed_data_field
        return decode(body, data.annotation if data else Any)


@cache  # one of each type that a handler takes
def _decoder(kind: Any) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(kind)


def decode(body: bytes, kind: Any) -> Any:
    """Decode JSON of a type. Raises InvalidRequest, which names the field that is to blame."""
    body = body.removeprefix(BOM)  # RFC 8259, 8.1: it may be ignored
    if OTHER_ENCODINGS.match(body):
        raise InvalidRequest("The body is not valid UTF-8; it looks like UTF-16 or UTF-32.")
    try:
        return _decoder(kind).decode(body)
    except msgspec.ValidationError as error:
        if NO_INTEGER in str(error):
            return _with_whole_numbers(body, kind)
        raise _wrong(str(error)) from error
    except msgspec.DecodeError as error:
        raise InvalidRequest(f"The body is not valid JSON: {error}.") from error
    except UnicodeDecodeError as error:
        raise InvalidRequest("The body is not valid UTF-8.") from error
    except RecursionError as error:
        raise InvalidRequest("The body is nested too deeply.") from error
    except (ValueError, OverflowError) as error:
        raise InvalidRequest("The body has a value that is out of range.") from error


def _with_whole_numbers(body: bytes, kind: Any) -> Any:
    """Decode a body where an integer is written as 3.0, which JSON Schema takes for one."""
    value = msgspec.json.decode(body)
    while True:
        try:
            return msgspec.convert(value, kind)
        except msgspec.ValidationError as error:
            if NO_INTEGER not in str(error) or not _made_whole(value, str(error)):
                raise _wrong(str(error)) from error


def _made_whole(value: Any, message: str) -> bool:
    """Put an integer in the place of the number that is to blame; False when it is none."""
    where = WHERE.search(message)
    steps = [name or int(index) for name, index in STEP.findall(where[1] if where else "")]
    if not steps:
        return False
    for step in steps[:-1]:
        value = value[step]
    number = value[steps[-1]]
    if not number.is_integer():
        return False
    value[steps[-1]] = int(number)
    return True


def _wrong(message: str) -> InvalidRequest:
    """Name the field: msgspec gives it in the message when it is one too many or too few."""
    where = WHERE.search(message)
    path = where[1] if where else ""
    if named := FIELD.search(message):
        path = f"{path}.{named[1]}" if path else named[1]
    message = message[: where.start()] if where else message
    return InvalidRequest(PLAINLY.get(message, message), param=path or None)
