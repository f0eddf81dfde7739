"""Request-reply: a call names its subject, its request and its reply."""

from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar

from libs.contracts.message import Message, Part

SERVICES = ("billing", "webhooks", "llm", "rag", "api")
"""In the order in which they start; they stop in the opposite one, the edge first."""

Request = TypeVar("Request", bound=Message)
Reply = TypeVar("Reply", bound=Message)

FaultCode = Literal[
    "invalid",
    "not_found",
    "conflict",
    "insufficient_credits",
    "too_many",
    "unavailable",
    "internal",
]


class Fault(Message, frozen=True, kw_only=True, tag="fault.v1"):
    """The reply of a call that could not be done.

    `param` names the field of the request that is to blame, when one is.
    """

    code: FaultCode
    message: str
    param: str | None = None


@dataclass(frozen=True)
class Call(Generic[Request, Reply]):
    """One question that a service answers on the bus.

    `idempotent`: asking again after a time-out does no harm, so the caller may.
    """

    subject: str
    request: type[Request]
    reply: type[Reply]
    idempotent: bool = True

    @property
    def service(self) -> str:
        """The service that answers: the first token of the subject."""
        return self.subject.split(".", 1)[0]

    @property
    def answer(self) -> Any:
        """What can come back: the reply or a fault."""
        return self.reply | Fault


class Done(Message, frozen=True, kw_only=True, tag="done.v1"):
    """The reply of a call that has nothing to report."""


class Dependency(Part, frozen=True, kw_only=True):
    """One thing that a service needs, and whether it answered just now."""

    name: str
    ok: bool
    detail: str = ""


class Probe(Message, frozen=True, kw_only=True, tag="probe.v1"):
    """Ask a service whether its dependencies answer."""


class Health(Message, frozen=True, kw_only=True, tag="health.v1"):
    """What a service found out about its dependencies."""

    service: str
    dependencies: tuple[Dependency, ...]


def probe(service: str) -> Call[Probe, Health]:
    """The health call that every service answers."""
    return Call(f"{service}.probe", Probe, Health)
