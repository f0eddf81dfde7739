"""What `alonchat doctor` says of an embedding server."""

import pytest

from alonchat.embeddings import findings
from tests.fakes.odd_embeddings import OddEmbeddings, Said


@pytest.fixture(autouse=True)
def model(monkeypatch: pytest.MonkeyPatch) -> None:
    """The settings beside the address."""
    monkeypatch.setenv("EMBEDDINGS_MODEL", "m")
    monkeypatch.delenv("EMBEDDINGS_DIMENSIONS", raising=False)


async def said(monkeypatch: pytest.MonkeyPatch, address: str) -> tuple[bool, str]:
    """Whether the doctor is content with a server, and its sentence."""
    monkeypatch.setenv("EMBEDDINGS_BASE_URL", address)
    (finding,) = await findings()
    return finding.ok, finding.sentence


async def test_a_server_that_embeds_is_praised(monkeypatch: pytest.MonkeyPatch) -> None:
    """The sentence has the size of the vectors."""
    async with OddEmbeddings({}) as fake:
        ok, sentence = await said(monkeypatch, fake.base_url)
    assert ok
    assert "16 numbers" in sentence


async def test_what_is_wrong_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each names the setting that mends it."""
    async with OddEmbeddings({"size": lambda _: Said({"error": {"message": "no"}}, 401)}) as fake:
        refused = await said(monkeypatch, fake.base_url)
        path = await said(monkeypatch, fake.base_url.removesuffix("/v1"))
    gone = await said(monkeypatch, fake.base_url)
    scheme = await said(monkeypatch, "127.0.0.1:9/v1")
    assert not any(ok for ok, _ in (refused, path, gone, scheme))
    assert "EMBEDDINGS_API_KEY" in refused[1]
    assert "/v1" in path[1]
    assert "refused" in gone[1]
    assert "must begin with http" in scheme[1]
    assert not any("Traceback" in sentence or "\n" in sentence for _, sentence in (refused, gone))


async def test_without_a_server_there_is_nothing_to_say(monkeypatch: pytest.MonkeyPatch) -> None:
    """The bundled model is rag's own part."""
    monkeypatch.delenv("EMBEDDINGS_BASE_URL", raising=False)
    assert await findings() == []
