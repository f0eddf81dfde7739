"""How the answers of the fake OpenAI server go, and the model names that misbehave."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Script:
    """How one answer goes. Positions (`…_after`) count tokens that were sent before it happens."""

    tokens: int = 64
    chunk_text: str = "tok{n} "  # one token; {n} counts from 0
    text: str | None = None  # this text, word by word, instead of numbered tokens
    echo: bool = False  # the last user message, word by word, instead of numbered tokens
    first_token_ms: float = 0
    interval_ms: float = 0
    burst: int = 1  # tokens in one write
    end_ms: float = 0  # from the end mark to the end of the response
    finish_reason: str | None = "stop"  # None: the stream ends without one
    refusal: str = ""  # sent in `delta.refusal`, in place of any text
    status: int = 200
    retry_after: str = ""
    failures: int = 1_000_000_000  # how many requests get `status` before one succeeds
    hang: bool = False  # headers, then nothing
    silent: bool = False  # not even headers
    stall_after: int | None = None  # until resume() or the client leaves
    cut_after: int | None = None  # the connection breaks
    malformed_after: int | None = None  # a chunk that is not JSON
    error_after: int | None = None  # an `error` object in the stream


SCRIPTS = {
    "fake-401": Script(status=401),
    "fake-404": Script(status=404),
    "fake-429": Script(status=429, retry_after="1"),
    "fake-429-once": Script(status=429, retry_after="0.05", failures=1),
    "fake-500": Script(status=500),
    "fake-503": Script(status=503),
    "fake-503-once": Script(status=503, failures=1),
    "fake-silent": Script(silent=True),
    "fake-hang": Script(hang=True),
    "fake-stall": Script(stall_after=8),
    "fake-cut": Script(cut_after=8),
    "fake-malformed": Script(malformed_after=8),
    "fake-error": Script(error_after=8),
    "fake-empty": Script(tokens=0),
    "fake-unfinished": Script(finish_reason=None),
    "fake-filter": Script(tokens=8, finish_reason="content_filter"),
    "fake-refusal": Script(refusal="I can't help with that."),
    "fake-length": Script(finish_reason="length"),
    "fake-slow": Script(interval_ms=500),
    "fake-long": Script(tokens=20_000, burst=50),
    "fake-echo": Script(echo=True),
}
