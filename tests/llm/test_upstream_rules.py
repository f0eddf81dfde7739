"""The pure rules about model servers: endings, errors, waits, refused fields, URLs."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.egress.retry_after import model_retry_after
from libs.runtime.server_url import is_near, server_key, server_url
from services.llm.model.adaptation import Adaptation, Adaptations, Wanted, adapted, folded
from services.llm.model.finish import meaning_of
from services.llm.model.upstream_errors import (
    ServerError,
    error_in,
    error_of_body,
    failure_of,
    limit_of,
)
from services.llm.prompt.prompt import PromptTurn

NOW = datetime(2026, 1, 1, tzinfo=UTC)
USUAL = Adaptation("max_completion_tokens")
HOT = Wanted(max_tokens=1024, temperature=0.5)


@pytest.mark.parametrize(
    ("reason", "meaning"),
    [
        ("stop", "stop"),
        ("STOP", "stop"),
        ("eos_token", "stop"),
        ("whatever", "stop"),
        (1, "stop"),
        ({"type": "stop"}, "stop"),
        ("tool_calls", "stop"),
        ("FINISH_REASON_STOP", "stop"),
        ("length", "length"),
        ("MAX_TOKENS", "length"),
        ("model_length", "length"),
        ("finish_reason_max_tokens", "length"),
        ("content_filter", "refused"),
        ("SAFETY", "refused"),
        ("content-filter", "refused"),
        ("PROHIBITED_CONTENT", "refused"),
        ("RECITATION", "refused"),
        ("error", "failed"),
        ("abort", "failed"),
        ("network_error", "failed"),
        ("USER_CANCEL", "failed"),
        ("insufficient_system_resource", "failed"),
        ("timeout", "failed"),
        ("engine_failure", "failed"),
        (None, None),
        ("", None),
        ("null", None),
        ("None", None),
        (0, None),
        ({}, None),
        ([], None),
    ],
)
def test_reason_has_its_meaning(reason: object, meaning: str | None) -> None:
    """Unknown ones are a stop; those that say nothing are none."""
    assert meaning_of(reason) == meaning


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "3"}, 3.0),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after": "-5"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after-ms": "1500", "retry-after": "9"}, 1.5),
        ({"retry-after-ms": "x", "retry-after": "9"}, 9.0),
        ({"retry-after": "Thu, 01 Jan 2026 00:00:10 GMT"}, 10.0),
        ({"retry-after": "Thu, 01 Jan 2025 00:00:10 GMT"}, None),
        ({"retry-after": "Thu, 01 Jan 2026 00:00:10 -0000"}, 10.0),
        ({"retry-after": "1, 2"}, None),
        ({"retry-after": "Thu, 99 Foo 99999 00:00:10 GMT"}, None),
    ],
)
def test_wait_is_read_in_every_form(headers: dict[str, str], seconds: float | None) -> None:
    """What is no time is none."""
    assert model_retry_after(headers, NOW) == seconds


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "error",
                    "code",
                    "type",
                    "message",
                    "detail",
                    "loc",
                    "msg",
                    "status",
                    "param",
                    "innererror",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(JSON, st.sampled_from([400, 404, 422, 429, 500, 503]))
def test_any_error_is_read(value: Any, status: int) -> None:
    """Whatever its shape, and nothing of its words is in the detail."""
    error_in(value)
    body = msgspec.json.encode(value)
    failure_of(error_of_body(status, body))
    adapted(error_of_body(status, body), USUAL, HOT)


NO_ERRORS: tuple[Any, ...] = (
    *(None, "", {}, 0, False, [], "null"),
    *({"code": 0}, {"code": None, "message": ""}),
)
NO_CHUNKS: tuple[dict[str, Any], ...] = (
    *({"id": "x", "object": "chat.completion.chunk"}, {"usage": {}}, {"choices": []}),
    *({"type": "ping"}, {}),
)


@pytest.mark.parametrize("value", [*({"error": none} for none in NO_ERRORS), *NO_CHUNKS])
def test_what_says_nothing_is_no_error(value: dict[str, Any]) -> None:
    """Some servers have the field in every chunk."""
    assert error_in(value) is None


def refused(name: str, **fields: Any) -> Any:
    """A 400 that names a field."""
    return error_of_body(
        400, msgspec.json.encode({"error": {"message": f"unknown {name}"} | fields})
    )


def test_refused_fields_are_left_out_one_after_the_other() -> None:
    """The limit is tried under its other name first."""
    usage = adapted(refused("stream_options"), USUAL, HOT)
    assert usage == replace(USUAL, stream_options=False)
    other = adapted(refused("max_completion_tokens"), USUAL, HOT)
    assert other is not None
    assert other.max_field == "max_tokens"
    neither = adapted(refused("max_tokens"), other, HOT)
    assert neither is not None
    assert neither.max_field is None
    assert adapted(refused("temperature"), USUAL, HOT) == replace(USUAL, temperature=False)
    assert adapted(refused("temperature"), USUAL, replace(HOT, temperature=None)) is None
    assert adapted(refused("system role"), USUAL, HOT) == replace(USUAL, system=False)
    assert adapted(refused("something else"), USUAL, HOT) is None


def test_limit_that_is_named_is_asked_for() -> None:
    """Unless it is no smaller than what was asked for."""
    error = refused("max_tokens", message="max_tokens must be at most 512")
    found = adapted(error, USUAL, HOT)
    assert found is not None
    assert found.tokens(HOT) == 512
    assert adapted(error, USUAL, Wanted(max_tokens=100)) != found


@pytest.mark.parametrize(
    ("message", "most"),
    [
        ("the valid range of max_tokens is [1, 8192]", 8192),
        ("max_tokens must be between 1 and 4096.", 4096),
        ("max_tokens: 100000 > 4096, the maximum for claude-3-opus", 4096),
        (
            "max_tokens is too large: 32768. llama-3-8b supports at most 16384 completion tokens",
            16384,
        ),
        ("`max_completion_tokens` (9000) exceeds the limit: 8000", 8000),
        ("max_tokens 9000 is too high for gpt-4-32k", None),
    ],
)
def test_the_limit_is_the_number_that_is_called_one(message: str, most: int | None) -> None:
    """Others stand beside it: what was asked for, the least, a model's version, a status."""
    error = ServerError(status=400, code="400", type="invalid", message=message)
    assert limit_of(error) == most


def test_folded_prompt_keeps_all_that_it_had() -> None:
    """The rules stand before the first message of the user."""
    turns = [PromptTurn(role="system", content="rules"), PromptTurn(role="user", content="hi")]
    assert folded(turns) == [PromptTurn(role="user", content="rules\n\nhi")]


def test_memory_is_bounded() -> None:
    """Names of models come from the agents."""
    memory = Adaptations("max_tokens")
    for number in range(5_000):
        memory.worked(f"model{number}", replace(USUAL, system=False))
    assert memory.of("model4999").system is False
    assert memory.of("model0").system is True


@pytest.mark.parametrize(
    ("url", "checked"),
    [
        ("", ""),
        ("http://127.0.0.1:11434/v1", "http://127.0.0.1:11434/v1"),
        (" http://a/v1/ ", "http://a/v1"),
        ("https://a/openai/v1//", "https://a/openai/v1"),
        ("http://[::1]:8/v1", "http://[::1]:8/v1"),
    ],
)
def test_url_is_tidied(url: str, checked: str) -> None:
    """Blanks around it and slashes at its end do no harm."""
    assert server_url(url, "chat/completions") == checked


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("127.0.0.1:8231/v1", "write it like http://127.0.0.1:8231/v1"),
        ("localhost:1/v1", "http://localhost:1/v1"),
        ("ftp://a/v1", "http://a/v1"),
        ("http:///v1", "write it like"),
        ("http://a:99999/v1", "write it like"),
        ("http://a/v1/chat/completions", "write http://a/v1"),
        ("http://a/v1/embeddings/", "write http://a/v1"),
        ("https://a/v1?api-version=1", "query"),
        ("https://u:pw@a/v1", "user or password"),
        ("http://a /v1", "blank"),
        ("http://a/v1#x", "query"),
        ("http://[::1", "write it like"),
    ],
)
def test_mistake_in_a_url_is_explained(url: str, says: str) -> None:
    """With what to write; never with a password."""
    with pytest.raises(ValueError, match=r"it|there|/") as refused_url:
        server_url(url, "chat/completions")
    assert says in str(refused_url.value)
    assert "pw" not in str(refused_url.value)


def test_key_is_tidied_or_refused() -> None:
    """Secrets often end in a line end; a header can't have one within."""
    assert server_key(" sk-x\n") == "sk-x"
    for key in ("sk x", "sk-\u20b1", "a\nb"):
        with pytest.raises(ValueError, match="no key has"):
            server_key(key)


@pytest.mark.parametrize(
    ("url", "near"),
    [
        ("http://127.0.0.1:1/v1", True),
        ("http://localhost/v1", True),
        ("http://192.168.1.5/v1", True),
        ("http://[::1]/v1", True),
        ("http://ollama:11434/v1", True),
        ("http://host.docker.internal/v1", True),
        ("https://api.openai.com/v1", False),
        ("http://8.8.8.8/v1", False),
        ("", False),
    ],
)
def test_near_servers_are_known_by_their_name(url: str, near: bool) -> None:
    """They get more time, and no proxy."""
    assert is_near(url) is near
