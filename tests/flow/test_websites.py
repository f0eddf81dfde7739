"""Websites as sources, from the request to the cited page."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.fakes.openai_server import FakeOpenAI
from tests.fakes.website import Website, page, running_website
from tests.flow.client import Client
from tests.stack import Stack, running
from tests.support.errors import error_of
from tests.support.uploads import ended

PAGES = {
    "/": page("The Shop", "We sell lamps and nothing else.", "/delivery", "/returns", "/missing"),
    "/delivery": page("Delivery", "We deliver to Cebu and Bohol for 90 pesos.", "/returns"),
    "/returns": page("Returns", "Broken bottles can be returned within fourteen days."),
}


@pytest.fixture(scope="module", params=["five processes", "one process"])
async def stack(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    model: FakeOpenAI,
) -> AsyncIterator[Stack]:
    """A system that may read sites on this machine."""
    assert model  # the answers here are quoted from the sources
    directory = tmp_path_factory.mktemp("websites")
    one_process = request.param == "one process"
    async with running(
        directory, one_process=one_process, CRAWL_PRIVATE_NETWORKS="127.0.0.1/32", CRAWL_DELAY="0"
    ) as stack:
        yield stack


@pytest.fixture
async def site() -> AsyncIterator[Website]:
    """A small site."""
    async with running_website() as site:
        site.pages |= PAGES
        yield site


async def add(client: Client, agent_id: str, **fields: Any) -> dict[str, Any]:
    """Add a website, return its source when it is ready or failed."""
    created = await client.post(f"/v1/agents/{agent_id}/sources", {"type": "website", **fields})
    return await ended(client, agent_id, created["id"])


async def test_an_answer_cites_the_page(client: Client, site: Website) -> None:
    """A crawled site answers in its words, beside them the address and title of the page."""
    agent_id = await client.agent(model="extractive")
    source = await add(client, agent_id, url=site.url(), crawl={"max_pages": 10})
    assert (source["status"], source["chunks"], source["url"]) == ("ready", 3, site.url())
    assert source["title"] == site.url()
    assert source["crawl"] == {"max_pages": 10, "include": [], "exclude": []}
    missing = {"url": site.url("/missing"), "reason": "It was not found (404)."}
    assert source["pages"] == {
        "fetched": 3,
        "known": 4,
        "skipped": 1,
        "reasons": [missing],
        "note": "",
    }
    answer = await client.chat(agent_id, "Can I return broken bottles?")
    assert "fourteen days" in answer["response"]
    used = answer["sources"][0]
    assert (used["id"], used["type"]) == (source["id"], "website")
    assert (used["url"], used["title"]) == (site.url("/returns"), "Returns")
    streamed = await client.stream(agent_id, "Do you deliver to Cebu?")
    told = next(data for name, data in streamed.events if name == "sources")
    assert told["sources"][0]["url"] == site.url("/delivery")
    listed = await client.get(f"/v1/agents/{agent_id}/sources")
    assert listed["items"][0]["pages"]["skipped"] == 1


async def test_one_page(client: Client, site: Website) -> None:
    """Without a crawl it is that page; deleted, it answers nothing."""
    agent_id = await client.agent(model="extractive")
    source = await add(client, agent_id, url=site.url("/delivery"), title="Fees")
    assert (source["title"], source["chunks"], source["crawl"]) == ("Fees", 1, None)
    path = f"/v1/agents/{agent_id}/sources/{source['id']}"
    assert (await client.request("DELETE", path)).status_code == 204
    assert (await client.chat(agent_id, "Do you deliver to Cebu?"))["sources"] == []


async def test_a_page_that_can_not_be_read_fails_with_a_reason(
    client: Client, shop: str, site: Website
) -> None:
    """The source says why."""
    missing = await add(client, shop, url=site.url("/missing"))
    assert (missing["status"], missing["error"]) == ("failed", "It was not found (404).")
    inside = await add(client, shop, url="http://169.254.169.254/latest/meta-data")
    assert inside["error"] == "It is at a private or local address, which is not fetched."


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({}, "url"),
        ({"url": "ftp://a.example"}, "url"),
        ({"url": "not a URL"}, "url"),
        ({"url": "https://user:pass@a.example/"}, "url"),
        ({"url": "https://a.example/", "text": "x"}, "text"),
        ({"url": "https://a.example/", "crawl": {"max_pages": 0}}, "crawl.max_pages"),
        ({"url": "https://a.example/", "crawl": {"max_pages": 5_000}}, "crawl.max_pages"),
        ({"url": "https://a.example/", "crawl": {"include": ["docs"]}}, "crawl.include"),
        ({"url": "https://a.example/", "crawl": {"depth": 3}}, "crawl.depth"),
    ],
)
async def test_a_bad_request_is_refused_at_once(
    client: Client, shop: str, fields: dict[str, Any], param: str
) -> None:
    """With the field that is to blame."""
    path = f"/v1/agents/{shop}/sources"
    response = await client.request("POST", path, json={"type": "website", **fields})
    error = error_of(response, 400)
    assert str(error["param"]).startswith(param)


async def test_other_sources_have_no_url(client: Client, shop: str) -> None:
    """What belongs to a website is refused elsewhere."""
    path = f"/v1/agents/{shop}/sources"
    body = {"type": "text", "title": "T", "text": "x", "url": "https://a.example/"}
    assert error_of(await client.request("POST", path, json=body), 400)["param"] == "url"
