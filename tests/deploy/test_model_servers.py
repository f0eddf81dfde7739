"""The page on model servers names what exists."""

import re
from pathlib import Path

import pytest

from tests.deploy.settings_table import SERVICES

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/model-servers.md").read_text()
OTHERS = {
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "OLLAMA_CONTEXT_LENGTH",
    "OPENAI_ORG_ID",
    "OPENAI_PROJECT_ID",
    "OPENAI_CUSTOM_HEADERS",
    "HTTP_PROXY",
}
"""Variables of other programs that it names."""


def test_every_setting_that_the_page_names_exists() -> None:
    """A setting that was renamed or removed does not linger in the advice."""
    known = {name.upper() for settings in SERVICES.values() for name in settings.model_fields}
    named = set(re.findall(r"\b[A-Z][A-Z0-9]+(?:_[A-Z0-9]+)+\b", PAGE))
    assert {"LLM_BASE_URL", "EMBEDDINGS_DIMENSIONS"} < named
    assert named - known == OTHERS


@pytest.mark.parametrize(
    "server",
    [
        "Ollama",
        "vLLM",
        "llama.cpp",
        "LM Studio",
        "OpenAI",
        "Azure OpenAI",
        "Mistral",
        "OpenRouter",
        "Groq",
    ],
)
def test_every_server_says_where_it_is(server: str) -> None:
    """Each has a section with what to set."""
    section = PAGE.partition(f"### {server}\n")[2].partition("\n### ")[0]
    assert "LLM_BASE_URL" in section or "LLM_API_KEY" in section


def test_links_of_the_page_lead_somewhere() -> None:
    """Its links are to files that are there, and to headings that they have."""
    for path, heading in re.findall(r"\]\(([\w-]+\.md)?(?:#([\w-]+))?\)", PAGE):
        text = (ROOT / "docs" / path).read_text() if path else PAGE
        headings = [
            re.sub(r"[^\w -]", "", one).lower().replace(" ", "-")
            for one in re.findall(r"^#+ (.+)$", text, re.MULTILINE)
        ]
        assert not heading or heading in headings
