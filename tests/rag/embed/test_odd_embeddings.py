"""Embedding servers of every kind: what works works, what doesn't is said in words.

Each kind is a model name on one server; the rows of "embeddings" in cases/upstreams.md are here.
"""

import json
import math
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
    ordinary,
)
from tests.support.embedding_answers import ODD, RIGHT, error

pytestmark = pytest.mark.slow

TEXTS = [f"shelf number {number} holds {'paint ' * (number % 5 + 1)}" for number in range(16)]
LONG = "paint " * 100


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
