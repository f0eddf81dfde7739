"""Fields and roles that a model does not take."""

from typing import Any

from tests.fakes.raw_model_server import Exchange
from tests.upstreams.case import OK, Case, Fails, raw, refuses, says, words

HOT = {"temperature": 0.5}


def field(name: str, status: int = 400) -> dict[str, Any]:
    """An error that names a field, as servers of this status do."""
    if status == 422:
        problem = {
            "type": "extra_forbidden",
            "loc": ["body", name],
            "msg": "Extra inputs are not permitted",
        }
        return {"object": "error", "detail": [problem]}
    message = f"Unsupported parameter: '{name}' is not supported with this model."
    return {"error": {"message": message, "param": name, "code": "unsupported_parameter"}}


def without(name: str, status: int, **fields: Any) -> Case:
    """A server that does not take a field."""
    return Case(
        f"{status} that names {name}",
        refuses(status, field(name, status), lambda body: name in body),
        most_requests=2,
        own_requests_next=1,
        **fields,
    )


def has_system(body: dict[str, Any]) -> bool:
    """Tell whether there is a message of the system."""
    return any(turn["role"] == "system" for turn in body["messages"])


def alternates(body: dict[str, Any]) -> bool:
    """Tell whether the user begins, and the two take turns."""
    roles = [turn["role"] for turn in body["messages"]]
    return roles == ["user", "assistant"] * (len(roles) // 2) + ["user"]


def tokens(body: dict[str, Any]) -> int:
    """Return how many tokens were asked for."""
    return int(body.get("max_completion_tokens") or body.get("max_tokens") or 0)


async def _neither(exchange: Exchange) -> None:
    """Take one of the two limits only, and no usage, and no temperature."""
    for name in ("max_completion_tokens", "stream_options", "temperature"):
        if name in exchange.body:
            await exchange.whole(400, field(name))
            return
    await says(*words())(exchange)


MAX = "max_tokens is too large: 1024. This model supports at most 512 completion tokens."

CASES = [
    without("max_completion_tokens", 422),
    without("stream_options", 400),
    without("stream_options", 422),
    Case(
        "400 that names temperature, which the agent sets",
        refuses(400, field("temperature"), lambda body: "temperature" in body),
        most_requests=2,
        own_requests_next=1,
        agent=HOT,
    ),
    Case(
        "400 that names max_tokens",
        refuses(
            400,
            field("max_completion_tokens")
            | {
                "error": {
                    "message": "max_completion_tokens: unknown, use max_tokens",
                    "param": None,
                }
            },
            lambda body: "max_tokens" not in body,
        ),
        most_requests=2,
        own_requests_next=1,
    ),
    Case("three refusals in turn", raw(_neither), most_requests=4, own_requests_next=1, agent=HOT),
    Case(
        "400: no system role",
        refuses(400, {"error": {"message": "System role not supported"}}, has_system),
        most_requests=3,
        own_requests_next=1,
    ),
    Case(
        "500: no system role, as a template's exception",
        refuses(
            500, {"error": {"message": "Jinja Exception: System role not supported"}}, has_system
        ),
        most_requests=3,
        own_requests_next=1,
    ),
    Case(
        "400 unless questions and answers alternate",
        refuses(
            400,
            {
                "error": {
                    "message": "Conversation roles must alternate user/assistant/user/assistant/..."
                }
            },
            lambda body: not alternates(body),
        ),
    ),
    Case(
        "400: at most 512 tokens may be asked for",
        refuses(
            400, {"error": {"message": MAX, "param": "max_tokens"}}, lambda body: tokens(body) > 512
        ),
        (OK, Fails(retryable=False, names=("512",))),
        own_requests_next=1,
    ),
    Case(
        "400: the limit of tokens is too large, and no limit is named",
        refuses(400, {"error": {"message": "bad max_tokens"}}, lambda _: True),
        (Fails(retryable=False),),
        most_requests=4,
    ),
]
