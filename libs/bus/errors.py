"""What can go wrong between services.

BusError
├── FaultError           the owner answered that it can't be done, and why
├── Refused              the bus will never take it, however often it is sent
│   └── TooLarge         it is larger than a message may be
└── ServiceUnavailable   nobody answered in time, or the bus itself is away

Only the last one is an outage: what is tried again.
"""

from nats.errors import BadHeaderError, BadSubjectError, MaxPayloadError
from nats.js.errors import APIError

from libs.contracts.calls import Fault, FaultCode


class BusError(Exception):
    """The base of everything that a call or publish raises."""


class FaultError(BusError):
    """A service's typed refusal. Handlers raise it; callers get it raised again."""

    def __init__(self, code: FaultCode, message: str, param: str | None = None) -> None:
        super().__init__(f"{code}: {message}")
        self.fault = Fault(code=code, message=message, param=param)


class Refused(BusError):
    """The bus does not take this message, now or later; the message says why."""


class TooLarge(Refused):
    """A message for `subject` of `size` bytes, headers included, where `most` are allowed."""

    def __init__(self, subject: str, size: int, most: int) -> None:
        super().__init__(f"a message for {subject} has {size} bytes, {most} are allowed")
        self.subject = subject
        self.size = size
        self.most = most


class ServiceUnavailable(BusError):
    """`service` did not answer; the request may be tried again later."""

    def __init__(self, service: str) -> None:
        super().__init__(f"{service} does not answer")
        self.service = service


_NEVER_TAKEN = (BadHeaderError, BadSubjectError, MaxPayloadError)
_MAY_PASS = frozenset({404, 408, 409, 429})
"""Not found (yet), time-outs, conflicts with what is going on, too many requests."""
_STORE_FAILED = 10077
"""A stream could not keep it: a bound of the stream ("maximum … exceeded"), or trouble on disk."""


def is_permanent(error: Exception) -> bool:
    """Say whether what a NATS client raised will be raised again however often it is tried."""
    if isinstance(error, APIError):
        if error.err_code == _STORE_FAILED:
            return (error.description or "").startswith("maximum ")
        return 400 <= (error.code or 500) < 500 and error.code not in _MAY_PASS
    return isinstance(error, _NEVER_TAKEN)


def translated(error: Exception, service: str = "nats") -> BusError:
    """Return what to raise in the place of a NATS client's error."""
    return Refused(str(error)) if is_permanent(error) else ServiceUnavailable(service)
