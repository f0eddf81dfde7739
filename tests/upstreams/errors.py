"""What servers say of errors, and what is passed on of it."""

from typing import Any

from tests.fakes.raw_model_server import Exchange
from tests.upstreams.case import (
    DONE,
    FREE,
    OK,
    Case,
    Fails,
    answers,
    at,
    chunk,
    event,
    raw,
    says,
    stays,
    stop,
    streams,
    words,
)

TWO = words("Hello", " there")
KEPT = (stays("Hello there"),)
FOR_EVER = Fails(retryable=False)
UNAVAILABLE = Fails(codes=("model_unavailable",), retryable=False)
OVERLOADED = Fails(codes=("upstream_overloaded",), retryable=True)
PASSING = Fails(
    codes=(
        "overloaded",
        "service_unavailable",
        "timeout",
        "upstream_error",
        "upstream_overloaded",
        "upstream_timeout",
    ),
    retryable=True,
)
CONTEXT = Fails(codes=("context_length_exceeded",), retryable=False, names=("context",))
QUOTA = Fails(codes=("upstream_quota_exceeded",), retryable=False)
REFUSED = Fails(codes=("upstream_refused",), retryable=False)
PAGE = b"<html><body><h1>Sign in</h1></body></html>"


def said(message: str = "It went wrong.", **fields: Any) -> dict[str, Any]:
    """An error in OpenAI's shape."""
    return {"error": {"message": message, "type": "x", "param": None, "code": None} | fields}


def status(
    number: int,
    expected: Fails,
    body: bytes | dict[str, Any] | None = None,
    name: str = "",
    most: int | None = None,
    seconds: float | None = None,
    **headers: str,
) -> Case:
    """A response with a status."""
    served = answers(number, said() if body is None else body, **headers)
    return Case(name or str(number), served, (expected,), most, seconds)


def redirect(number: int) -> Case:
    """Another path on the same server."""

    async def serve(exchange: Exchange) -> None:
        if exchange.request.path.startswith("/v1/moved"):
            await says(*words())(exchange)
        else:
            await exchange.whole(number, b"", Location="/v1/moved/chat/completions")

    expected = (OK, FOR_EVER) if number == 301 else (OK, FREE)
    return Case(f"{number} to another path", raw(serve), expected)


def elsewhere(target: str) -> Case:
    """Another host: the question, and the key, do not go there."""
    return Case(
        f"308 to {target}", answers(308, b"", Location=target), (UNAVAILABLE,), most_requests=1
    )


LIMIT = (
    "This model's maximum context length is 4096 tokens. However, your messages resulted in 9000."
)

CASES = [
    Case("two words, then an error object", streams(*TWO, said()), KEPT),
    Case("two words, then an error string", streams(*TWO, {"error": "overloaded"}), KEPT),
    Case(
        "two words, then an event named error",
        streams(*TWO, b'event: error\ndata: {"message": "no"}\n\n'),
        KEPT,
    ),
    Case(
        "two words, then an event named error with a word",
        streams(*TWO, b"event: error\ndata: no\n\n", DONE),
        KEPT,
    ),
    Case(
        "two words, then an event named error with nothing",
        streams(*TWO, b"event: error\ndata:\n\n", DONE),
        KEPT,
    ),
    Case(
        "two words, then an error object beside a finish_reason error",
        streams(*TWO, chunk(finish_reason="error") | said(), DONE),
        KEPT,
    ),
    Case(
        "two words, then a line that begins with error:",
        streams(*TWO, b'error: {"code": 500}\n\n'),
        KEPT,
    ),
    Case(
        "two words, then a line of JSON without data:",
        streams(*TWO, b'{"error": {"message": "no"}}\n'),
        KEPT,
    ),
    Case(
        "two words, then a data: line that is no JSON, and the end",
        streams(*TWO, b"data: Internal Server Error\n\n"),
        KEPT,
    ),
    Case(
        "two words, then a data: line that is no JSON, and [DONE]",
        streams(*TWO, b"data: upstream timed out\n\n", DONE),
        KEPT,
    ),
    Case(
        "two words, then half a chunk, then more",
        streams(*TWO, b'data: {"choices": [{"delta"\n\n', *words(), stop(), DONE),
        KEPT,
    ),
    Case("two words, then {detail: …}", streams(*TWO, {"detail": "worker died"}, DONE), KEPT),
    Case("an error object before any text", streams(said()), (FREE,)),
    Case(
        "text and error_code of an old server before any text",
        streams({"text": "**NETWORK ERROR DUE TO HIGH TRAFFIC.**", "error_code": 50004}, DONE),
        (FREE,),
    ),
    Case(
        "a line that begins with error: before any text",
        streams(b'error: {"message": "no"}\n\n'),
        (FREE,),
    ),
    Case("an error string: overloaded before any text", streams({"error": "overloaded"}), (FREE,)),
    Case(
        "two words and an error object in one packet",
        streams(b"".join((*TWO, event(said())))),
        KEPT,
    ),
    Case(
        "two words and a broken chunk in one packet",
        streams(b"".join((*TWO, b"data: {broken}\n\n"))),
        KEPT,
    ),
    Case("an error object with code 429 before any text", streams(said(code=429)), (OVERLOADED,)),
    Case(
        "an error object of type overloaded_error",
        streams(said(type="overloaded_error")),
        (OVERLOADED,),
    ),
    Case("an error object, then [DONE]", streams(said(), DONE), (FREE,)),
    Case("200 with a JSON error: overloaded", answers(200, {"error": "overloaded"}), (FREE,)),
    Case("200 with a login page", answers(200, PAGE), (FREE,)),
    Case("200 with nothing", answers(200, b"", "text/event-stream"), (FREE,)),
    Case("200 with other JSON", answers(200, {"models": []}), (FREE,)),
    status(204, FREE),
    status(
        400, CONTEXT, said(LIMIT, code="context_length_exceeded"), "400, the context is exceeded", 2
    ),
    status(
        400,
        CONTEXT,
        said("the request exceeds the available context size", type="exceed_context_size_error"),
        "400, the context is exceeded, as llama.cpp says it",
        2,
    ),
    status(413, FOR_EVER, name="413", most=2),
    status(
        400,
        REFUSED,
        said("The prompt was filtered.", code="content_filter"),
        "400, the prompt was filtered",
        2,
    ),
    status(400, FOR_EVER, {"error": "no"}, "400 with an error string", 2),
    status(400, FOR_EVER, b"nope", "400 with a word", 2),
    status(401, UNAVAILABLE, most=1),
    status(403, UNAVAILABLE, PAGE, "403 with a page of HTML", 1),
    status(
        404,
        UNAVAILABLE,
        said("The model `x` does not exist", code="model_not_found"),
        "404, unknown model",
        1,
    ),
    status(404, UNAVAILABLE, b"404 page not found", "404 without JSON", 1),
    status(402, QUOTA, said("Insufficient Balance"), "402", 1),
    status(405, FOR_EVER, most=2),
    status(
        422,
        FOR_EVER,
        {
            "detail": [
                {
                    "loc": ["body", "messages"],
                    "msg": "too short",
                    "input": {"stream_options": 1, "temperature": 2},
                }
            ]
        },
        "422 about something else",
        2,
    ),
    status(424, FREE),
    status(409, FREE),
    status(429, OVERLOADED),
    status(
        429,
        QUOTA,
        said("You exceeded your current quota.", code="insufficient_quota"),
        "429, the quota is used up",
        1,
    ),
    status(429, OVERLOADED, name="429, Retry-After 1", Retry_After="1"),
    status(
        429,
        OVERLOADED,
        name="429, Retry-After 4, which fits once into the time to the first text but not twice",
        seconds=9,
        Retry_After="4",
    ),
    status(
        429,
        Fails(("upstream_overloaded",), retryable=True, least_wait=30),
        name="429, Retry-After an hour",
        most=1,
        seconds=4,
        Retry_After="3600",
    ),
    status(
        429,
        Fails(("upstream_overloaded",), retryable=True, least_wait=30),
        name="429, retry-after-ms 50000",
        most=1,
        seconds=4,
        retry_after_ms="50000",
    ),
    status(
        429,
        OVERLOADED,
        name="429, Retry-After a date years away",
        seconds=4,
        Retry_After="Wed, 21 Oct 2099 07:28:00 GMT",
    ),
    status(429, OVERLOADED, name="429, Retry-After -5", Retry_After="-5"),
    status(429, OVERLOADED, name="429, Retry-After soon", Retry_After="soon"),
    status(429, OVERLOADED, name="429, Retry-After nan", Retry_After="nan"),
    status(500, Fails(("upstream_error",), retryable=True)),
    status(502, PASSING, PAGE, "502 with a page"),
    status(
        503,
        OVERLOADED,
        said("Loading model", type="unavailable_error", code=503),
        "503, the model is being loaded, every time",
    ),
    status(504, PASSING),
    status(524, PASSING),
    status(529, OVERLOADED, name="529, overloaded"),
    Case("503 twice, then the answer", at(2, answers(503, said()))),
    Case(
        "429 with Retry-After 2 once, then the answer", at(1, answers(429, said(), Retry_After="2"))
    ),
    redirect(301),
    redirect(307),
    redirect(308),
    Case(
        "307 to itself",
        answers(307, b"", Location="/v1/chat/completions"),
        (FREE,),
        most_requests=25,
    ),
    elsewhere("http://localhost:9/v1/chat/completions"),
]
