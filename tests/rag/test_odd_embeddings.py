"""Embedding servers of every kind: what works works, what doesn't is said in words.

Each kind is a model name on one server; the rows of "embeddings" in cases/upstreams.md are here.
"""

import json
import math
import random
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.egress.retry_after import model_retry_after
from libs.runtime.clock import now
from libs.runtime.settings import SettingsError
from services.rag.embed.answer import vectors_in
from services.rag.embed.errors import (
    EmbeddingError,
    EmbeddingRefused,
    EmbeddingUnavailable,
    OddAnswer,
)
from services.rag.embed.server import EmbeddingTimeouts, OpenAIEmbeddings, open_openai_embeddings
from tests.fakes.odd_embeddings import (
    DIMENSIONS,
    Asked,
    Behaviour,
    OddEmbeddings,
    Said,
    listed,
    ordinary,
    packed,
)

TEXTS = [f"shelf number {number} holds {'paint ' * (number % 5 + 1)}" for number in range(16)]
LONG = "paint " * 100


def error(status: int, message: str, **more: Any) -> Said:
    """An error in OpenAI's form."""
    return Said({"error": {"message": message, **more}}, status)


def at_most(texts: int, status: int) -> Behaviour:
    """A server with a batch limit that it does not name."""
    return lambda asked: Said({}, status) if len(asked.texts) > texts else ordinary(asked)


def up_to(characters: int, refused: Said) -> Behaviour:
    """A server whose model takes short texts only."""

    def behave(asked: Asked) -> Said:
        return refused if max(map(len, asked.texts)) > characters else ordinary(asked)

    return behave


def takes(**wanted: Any) -> Behaviour:
    """A server that takes only requests whose fields have these values."""

    def behave(asked: Asked) -> Said:
        if any(asked.body.get(name) != value for name, value in wanted.items()):
            return Said({"detail": "bad request"}, 422)
        return ordinary(asked)

    return behave


def shuffled(asked: Asked) -> Said:
    """Vectors in another order, with their index."""
    items = ordinary(asked).body["data"]
    random.Random(7).shuffle(items)
    return Said({"data": items})


def strings_only(asked: Asked) -> Said:
    """A server that refuses lists of texts."""
    return ordinary(asked) if isinstance(asked.body["input"], str) else error(400, "no lists")


def every_second(asked: Asked) -> Said:
    """429 at every second request."""
    slow_down = Said({"error": {"message": "slow down"}}, 429, {"retry-after": "0.1"})
    return ordinary(asked) if asked.nth % 2 else slow_down


RIGHT: dict[str, Behaviour] = {
    "floats-or-base64": ordinary,
    "always-base64": lambda asked: listed([packed(one) for one in asked.vectors]),
    "always-floats": lambda asked: listed(asked.vectors),
    "no-base64": lambda asked: (
        error(400, "encoding_format must be float") if asked.is_base64 else ordinary(asked)
    ),
    "no-base64-without-words": takes(encoding_format="float"),
    "no-base64-a-500": lambda asked: error(500, "oops") if asked.is_base64 else ordinary(asked),
    "no-base64-an-empty-list": lambda asked: listed([]) if asked.is_base64 else ordinary(asked),
    "no-encoding-format": takes(encoding_format=None),
    "strings-only": strings_only,
    "ten-at-once-400": at_most(10, 400),
    "four-at-once-422": at_most(4, 422),
    "one-at-once-413": at_most(1, 413),
    "three-at-once-500": lambda asked: (
        error(500, "batch size 16 > 3") if len(asked.texts) > 3 else ordinary(asked)
    ),
    "answers-the-first-only": lambda asked: listed(asked.vectors[:1]),
    "short-texts-400": up_to(200, Said({}, 400)),
    "short-texts-413": up_to(200, error(413, "inputs must have less than 50 tokens")),
    "short-texts-500": up_to(200, error(500, "input (612 tokens) is too large to process")),
    "short-texts-model": up_to(200, error(400, "this model's maximum context length is 50")),
    "length-37": lambda asked: listed([[37 * one for one in each] for each in asked.vectors]),
    "shuffled": shuffled,
    "index-0": lambda asked: Said({"data": [{"index": 0, "embedding": v} for v in asked.vectors]}),
    "no-index": lambda asked: Said({"data": [{"embedding": one} for one in asked.vectors]}),
    "index-of-text": lambda asked: Said(
        {"data": [{"index": str(n), "embedding": v} for n, v in enumerate(asked.vectors)]}
    ),
    "whole-numbers": lambda asked: listed([[round(1000 * n) for n in v] for v in asked.vectors]),
    "nested": lambda asked: listed([[one] for one in asked.vectors]),
    "nested-base64": lambda asked: listed([[packed(one)] for one in asked.vectors]),
    "bare-list": lambda asked: Said(asked.vectors),
    "bare-items": lambda asked: Said(listed(asked.vectors).body["data"]),
    "embeddings": lambda asked: Said({"embeddings": asked.vectors}),
    "null-error": lambda asked: Said({**ordinary(asked).body, "error": None, "message": ""}),
    "429-every-second": every_second,
    "500-twice": lambda asked: error(500, "") if asked.nth in {2, 3} else ordinary(asked),
    "503-then-html": lambda asked: Said(b"<html>", 503) if asked.nth == 2 else ordinary(asked),
}
"""Those with which everything works."""


def with_first(asked: Asked, change: Any) -> Said:
    """An answer whose first vector's first number is another."""
    first, *others = asked.vectors
    return Said(json.dumps(listed([[change, *first[1:]], *others]).body).encode())


ODD: dict[str, tuple[Behaviour, str]] = {
    "nan": (lambda asked: with_first(asked, math.nan), "not finite"),
    "infinite": (lambda asked: with_first(asked, math.inf), "not finite"),
    "huge": (lambda asked: with_first(asked, 10**400), "too large"),
    "null": (lambda asked: with_first(asked, None), "else than numbers"),
    "true": (lambda asked: with_first(asked, True), "else than numbers"),
    "text-number": (lambda asked: with_first(asked, "0.5"), "else than numbers"),
    "nan-base64": (lambda asked: listed([packed([math.nan])] * len(asked.texts)), "not finite"),
    "zeros": (lambda asked: listed([[0.0] * DIMENSIONS for _ in asked.texts]), "of zeros"),
    "empty-vectors": (lambda asked: listed([[] for _ in asked.texts]), "an empty vector"),
    "null-vectors": (lambda asked: listed([None for _ in asked.texts]), "left out a vector"),
    "number-vectors": (lambda asked: listed([1 for _ in asked.texts]), "left out a vector"),
    "a-vector-a-token": (lambda asked: listed([[v, v] for v in asked.vectors]), "pooling"),
    "uneven": (
        lambda asked: listed([[1.0] * (8 + n) for n, _ in enumerate(asked.vectors)]),
        "different sizes",
    ),
    "another-size": (
        lambda asked: listed([[1.0] * (DIMENSIONS if asked.is_start else 8) for _ in asked.texts]),
        "8 numbers, not 16 as before.*INDEX_COLLECTION",
    ),
    "empty-list": (lambda _: listed([]), "0 vectors for 1 text"),
    "one-too-many": (lambda asked: listed([*asked.vectors, [1.0]]), "2 vectors for 1 text"),
    "null-data": (lambda _: Said({"data": None}), "without vectors"),
    "object-data": (lambda _: Said({"data": {"embedding": None}}), "without vectors"),
    "null-body": (lambda _: Said(None), "without vectors"),
    "number-body": (lambda _: Said(7), "without vectors"),
    "empty-object": (lambda _: Said({}), "without vectors"),
    "empty-body": (lambda _: Said(b""), "an empty answer"),
    "204": (lambda _: Said(b"", 204), "an empty answer"),
    "page": (lambda _: Said(b"<!DOCTYPE html><html>log in"), "a web page.*EMBEDDINGS_BASE_URL"),
    "half-json": (lambda _: Said(b'{"data": ['), "not JSON"),
    "deep": (lambda _: Said(b"[" * 200_000), "not JSON"),
    "not-unicode": (lambda _: Said(b'{"data": "\xff\xfe'), "not JSON"),
    "bad-base64": (lambda asked: listed(["***"] * len(asked.texts)), "not base64"),
    "cut-base64": (lambda asked: listed(["AAA="] * len(asked.texts)), "32-bit"),
    "broken-gzip": (
        lambda _: Said(b"plain", headers={"content-encoding": "gzip"}),
        "compression is broken",
    ),
    "error-with-200": (lambda _: Said({"error": "no"}), "answered with an error"),
    "object-error": (lambda _: Said({"object": "error", "message": "no"}), "with an error"),
    "quota-with-200": (
        lambda _: Said({"error": {"code": 429, "message": "insufficient_quota"}}),
        "no credit left",
    ),
    "401": (lambda _: error(401, "bad key"), "EMBEDDINGS_API_KEY"),
    "403": (lambda _: Said(b"<html>", 403), "EMBEDDINGS_API_KEY"),
    "402": (lambda _: Said({}, 402), "no credit left"),
    "429-quota": (lambda _: error(429, "", code="insufficient_quota"), "no credit left"),
    "404-path": (lambda _: Said(b"not found", 404), "EMBEDDINGS_BASE_URL.*/v1"),
    "404-model": (lambda _: error(404, "model embed-1 not found"), "EMBEDDINGS_MODEL"),
    "400-model": (lambda _: error(400, "invalid model"), "EMBEDDINGS_MODEL"),
    "405": (lambda _: Said({}, 405), "EMBEDDINGS_BASE_URL.*/v1"),
    "301": (
        lambda _: Said(b"", 301, {"location": "http://127.0.0.1:1/"}),
        "EMBEDDINGS_BASE_URL",
    ),
    "418": (lambda _: Said({}, 418), "refuses the request"),
}
"""Those that don't embed at all, or no texts, and what is said of them."""

SERVERS = RIGHT | {name: behaviour for name, (behaviour, _) in ODD.items()}


@pytest.fixture(scope="module")
async def server() -> AsyncIterator[OddEmbeddings]:
    """One server with all oddities."""
    async with OddEmbeddings({f"model-{name}.": one for name, one in SERVERS.items()}) as fake:
        yield fake


def opened(
    server: OddEmbeddings, name: str, dimensions: int | None = None, patience: float = 5.0
) -> AbstractAsyncContextManager[OpenAIEmbeddings]:
    """Embeddings by the server of that name."""
    return open_openai_embeddings(
        server.base_url,
        api_key=" key\n",
        model=f"model-{name}.",
        dimensions=dimensions,
        query_prefix="",
        timeout=5,
        patience=EmbeddingTimeouts(question=patience, passages=patience),
    )


@pytest.mark.parametrize("name", RIGHT)
async def test_a_server_that_can_embed_is_used(server: OddEmbeddings, name: str) -> None:
    """Every text gets its own vector of length 1, whatever the server's habits are."""
    async with opened(server, name) as embeddings:
        assert embeddings.dimensions == DIMENSIONS
        vectors = await embeddings.embed_passages([*TEXTS, LONG])
        again = await embeddings.embed_passages(TEXTS)
        question = await embeddings.embed_question(TEXTS[3])
    assert [math.hypot(*one) for one in vectors] == pytest.approx([1.0] * 17)
    assert again == [pytest.approx(one) for one in vectors[:16]]
    right = Asked({"input": TEXTS}, 1).vectors
    assert vectors[:16] == [pytest.approx(one, abs=1e-2) for one in right]
    assert question == pytest.approx(vectors[3])


@pytest.mark.parametrize(
    ("name", "most"), [("ten-at-once-400", 8), ("four-at-once-422", 4), ("one-at-once-413", 1)]
)
async def test_a_batch_limit_is_learnt(server: OddEmbeddings, name: str, most: int) -> None:
    """After it was found, no request is refused any more; long texts do not make it smaller."""
    async with opened(server, name) as embeddings:
        await embeddings.embed_passages(TEXTS)
        before = server.asked[f"model-{name}."]
        await embeddings.embed_passages(TEXTS)
        assert server.asked[f"model-{name}."] - before == 16 // most


async def test_a_long_text_does_not_make_batches_smaller(server: OddEmbeddings) -> None:
    """What is refused for its length costs its own batch a few requests, and no other one."""
    async with opened(server, "short-texts-413") as embeddings:
        await embeddings.embed_passages([*TEXTS[:5], LONG, *TEXTS[5:10]])
        before = server.asked["model-short-texts-413."]
        await embeddings.embed_passages(TEXTS)
        assert server.asked["model-short-texts-413."] == before + 1


@pytest.mark.parametrize("name", ODD)
async def test_an_odd_server_is_described(server: OddEmbeddings, name: str) -> None:
    """At the start or later, it is an EmbeddingError in words of what the server did."""
    _, sentence = ODD[name]
    with pytest.raises((SettingsError, EmbeddingError), match=f"(?s){sentence}") as caught:
        async with opened(server, name) as embeddings:
            await embeddings.embed_passages(TEXTS)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    assert not isinstance(caught.value, EmbeddingUnavailable)
    if isinstance(caught.value, SettingsError):
        assert "EMBEDDINGS_" in str(caught.value)


REFUSED_DIMENSIONS = {
    "says so": lambda asked: (
        error(400, "this model does not support dimensions")
        if "dimensions" in asked.body
        else ordinary(asked)
    ),
    "ignores them": lambda asked: ordinary(Asked({**asked.body, "dimensions": 24}, 1)),
}


@pytest.mark.parametrize("how", REFUSED_DIMENSIONS)
async def test_a_vector_size_that_is_not_had_is_said_at_the_start(how: str) -> None:
    """EMBEDDINGS_DIMENSIONS is named before the first source fails."""
    async with OddEmbeddings({"dims": REFUSED_DIMENSIONS[how]}) as fake:
        with pytest.raises(SettingsError, match="EMBEDDINGS_DIMENSIONS"):
            async with opened(fake, "dims", dimensions=8):
                pass


PASSING: dict[str, Behaviour] = {
    "500": lambda _: error(500, "oops"),
    "502 page": lambda _: Said(b"<html>", 502),
    "429 an hour": lambda _: Said({}, 429, {"retry-after": "3600"}),
    "429 never": lambda _: Said({}, 429, {"retry-after": "Mon, 01 Jan 99999999999999999999"}),
    "overloaded with 200": lambda _: Said({"error": {"message": "overloaded, try again"}}),
    "503 in a 200": lambda _: Said({"error": {"code": 503, "message": "loading"}}),
}


@pytest.mark.parametrize("how", PASSING)
async def test_a_server_that_fails_for_now_is_waited_for_and_no_longer(how: str) -> None:
    """At the start it does not stop rag; later it is Unavailable once patience is over."""
    async with (
        OddEmbeddings({"now": PASSING[how]}) as fake,
        opened(fake, "now", patience=0.5) as embeddings,
    ):
        assert embeddings.dimensions == 0
        with pytest.raises(EmbeddingUnavailable):
            await embeddings.embed_question("open?")
        fake.behaviours.clear()
        await embeddings.ping()
        await embeddings.appears()
        assert embeddings.dimensions == DIMENSIONS


@pytest.mark.parametrize(
    ("address", "sentence"),
    [
        ("127.0.0.1:9/v1", "must begin with http"),
        ("localhost", "must begin with http"),
        ("ftp://127.0.0.1/v1", "must begin with http"),
        ("http://", "must begin with http"),
        ("http://[::1/v1", "not an address"),
        ("http://127.0.0.1:99999999/v1", "must begin with http"),
        ("http://xn--/v1", "not an address"),
    ],
)
async def test_an_address_that_is_none_is_said(address: str, sentence: str) -> None:
    """The setting is named, before anything is sent."""
    with pytest.raises(SettingsError, match=f"EMBEDDINGS_BASE_URL.*{sentence}"):
        async with open_openai_embeddings(
            address,
            api_key="",
            model="m",
            dimensions=None,
            query_prefix="",
            timeout=1,
            patience=EmbeddingTimeouts(question=1, passages=1),
        ):
            pass


@pytest.mark.parametrize("ending", ["/v1/", "/v1//", "/v1/embeddings", "/v1/embeddings/"])
async def test_forms_of_the_right_address_are_taken(
    server: OddEmbeddings, ending: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A slash too many, or the endpoint's own address, are clear; the shell's proxy is not used."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    address = server.base_url.removesuffix("/v1") + ending
    async with open_openai_embeddings(
        f" {address}",
        api_key="",
        model="plain",
        dimensions=None,
        query_prefix="",
        timeout=5,
        patience=EmbeddingTimeouts(question=1, passages=1),
    ) as embeddings:
        assert embeddings.dimensions == DIMENSIONS


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["data", "embedding", "embeddings", "index", "error"]), inner
            )
        ),
    )
)
def test_no_body_is_anything_but_vectors_or_an_odd_answer(body: Any) -> None:
    """Whatever JSON comes, it is read or refused in words."""
    try:
        (vector,) = vectors_in(json.dumps(body).encode(), 1)
    except OddAnswer:
        return
    assert math.hypot(*vector) == pytest.approx(1.0)


@given(st.binary(max_size=20))
def test_no_bytes_are_anything_but_vectors_or_an_odd_answer(body: bytes) -> None:
    """The same of bytes that are no JSON."""
    with pytest.raises(OddAnswer):
        vectors_in(body, 1)


@given(st.text(max_size=12) | st.floats().map(str))
def test_any_retry_after_is_a_wait_that_makes_sense_or_none(value: str) -> None:
    """A stranger's header never raises, and never gives a negative wait or NaN."""
    for name in ("retry-after", "retry-after-ms"):
        wait = model_retry_after({name: value}, now())
        assert wait is None or wait >= 0


async def test_half_a_pair_of_surrogates_can_be_sent(server: OddEmbeddings) -> None:
    """A text from a broken file does not stop its neighbours."""
    async with opened(server, "floats-or-base64") as embeddings:
        assert len(await embeddings.embed_passages(["What is \ud83d?", "ok"])) == 2


def test_refused_is_permanent() -> None:
    """What will not change by itself ends a source at the first delivery."""
    assert (EmbeddingRefused.tries, OddAnswer.tries) == (1, 2)
