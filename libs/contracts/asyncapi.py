"""The AsyncAPI 3 document of the bus, made from the declarations of queues, topics and calls."""

import inspect
import re
from collections.abc import Iterable, Iterator
from typing import Any, get_args

import msgspec

from libs.contracts import accounts, billing, chat, models, sources, webhooks
from libs.contracts.calls import SERVICES, Call, Fault, probe
from libs.contracts.queues import QUEUES, TOPICS, Queue, Topic

_CONTRACTS = (accounts, billing, chat, models, sources, webhooks)
SENT: tuple[Queue[Any] | Topic[Any], ...] = (*QUEUES, *TOPICS)
_PARAMETER = re.compile(r"\{(\w+)\}")
_GUARANTEE = {
    "work": "Each message is kept until one process of each receiver has handled it.",
    "log": "Each message is kept for {hours:g} hours; every receiver handles it at least once.",
}
_LIVE = "Only who listens right now hears a message."


def asyncapi() -> dict[str, Any]:
    """Return the document, with references inside it only."""
    calls = list(all_calls())
    kinds = {kind for one in SENT for kind in kinds_of(one.kind)}
    kinds |= {kind for call in calls for kind in (call.request, call.reply)} | {Fault}
    template = "#/components/schemas/{name}"
    ordered = sorted(kinds, key=lambda kind: (kind.__name__, kind.__module__))
    payloads, schemas = msgspec.json.schema_components(ordered, ref_template=template)
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "AlonChat bus",
            "version": "1",
            "description": "What the services send each other over NATS. Payloads are JSON.",
        },
        "defaultContentType": "application/json",
        "channels": dict(
            [_channel(one.name, one.subject, _note(one), kinds_of(one.kind)) for one in QUEUES]
            + [_channel(one.name, one.subject, _LIVE, kinds_of(one.kind)) for one in TOPICS]
            + [
                _channel(call.subject, call.subject, "A call.", (call.request, call.reply, Fault))
                for call in calls
            ]
        ),
        "operations": {**_operations(SENT), **_answers(calls)},
        "components": {
            "messages": {
                kind.__name__: {
                    "name": kind.__struct_config__.tag,
                    "summary": _summary(kind),
                    "payload": payload,
                }
                for kind, payload in zip(ordered, payloads, strict=True)
            },
            "schemas": dict(sorted(schemas.items())),
        },
    }


def all_calls() -> Iterator[Call[Any, Any]]:
    """Yield every call that is declared in the contracts, and each service's probe."""
    for module in _CONTRACTS:
        yield from (value for value in vars(module).values() if isinstance(value, Call))
    yield from map(probe, SERVICES)


def kinds_of(kind: Any) -> tuple[Any, ...]:
    """Return the types of a union, or the one type."""
    return get_args(kind) or (kind,)


def _channel(
    name: str, subject: str, description: str, kinds: Iterable[Any]
) -> tuple[str, dict[str, Any]]:
    channel: dict[str, Any] = {
        "address": subject,
        "description": description,
        "messages": {kind.__name__: _reference("components/messages", kind) for kind in kinds},
    }
    if names := _PARAMETER.findall(subject):
        channel["parameters"] = {name: {} for name in names}
    return name, channel


def _note(queue: Queue[Any]) -> str:
    return _GUARANTEE[queue.stream.retention].format(hours=queue.stream.max_age / 3600)


def _operations(sent: Iterable[Queue[Any] | Topic[Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for one in sent:
        channel = {"$ref": f"#/channels/{one.name}"}
        for service in one.senders:
            found[f"{service}.sends.{one.name}"] = {"action": "send", "channel": channel}
        for service in one.receivers:
            found[f"{service}.receives.{one.name}"] = {"action": "receive", "channel": channel}
    return found


def _answers(calls: Iterable[Call[Any, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for call in calls:
        where = f"channels/{call.subject}/messages"
        found[f"{call.service}.answers.{call.subject}"] = {
            "action": "receive",
            "channel": {"$ref": f"#/channels/{call.subject}"},
            "messages": [_reference(where, call.request)],
            "reply": {"messages": [_reference(where, call.reply), _reference(where, Fault)]},
        }
    return found


def _reference(where: str, kind: Any) -> dict[str, str]:
    return {"$ref": f"#/{where}/{kind.__name__}"}


def _summary(kind: Any) -> str:
    return (inspect.getdoc(kind) or "").split("\n\n", 1)[0].replace("\n", " ")
