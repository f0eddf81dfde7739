"""What can go wrong between services.

BusError
├── FaultError           the owner answered that it can't be done, and why
└── ServiceUnavailable   nobody answered in time, or the bus itself is away
"""

from libs.contracts.calls import Fault, FaultCode


class BusError(Exception):
    """The base of everything that a call or publish raises."""


class FaultError(BusError):
    """A service's typed refusal. Handlers raise it; callers get it raised again."""

    def __init__(self, code: FaultCode, message: str, param: str | None = None) -> None:
        super().__init__(f"{code}: {message}")
        self.fault = Fault(code=code, message=message, param=param)


class ServiceUnavailable(BusError):
    """`service` did not answer; the request may be tried again later."""

    def __init__(self, service: str) -> None:
        super().__init__(f"{service} does not answer")
        self.service = service
