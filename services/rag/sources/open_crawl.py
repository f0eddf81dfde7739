"""Makes what crawls share, from the settings."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing

from libs.egress.resolve import Resolver
from libs.egress.safe_transport import open_client
from libs.egress.safe_url import public_or_in
from services.rag.crawl.fetch import fetch
from services.rag.crawl.fetch.fetch import Fetcher
from services.rag.crawl.fetch.pace import HostPace
from services.rag.crawl.frontier import CrawlBounds
from services.rag.crawl.limits import CrawlLimits
from services.rag.crawl.pages import reader
from services.rag.settings import RagSettings
from services.rag.sources.websites import Tools


@asynccontextmanager
async def open_tools(settings: RagSettings) -> AsyncIterator[Tools]:
    """Open the HTTP client of all crawls; it reaches public addresses and the operator's own."""
    with closing(Resolver()) as resolver:
        async with open_client(
            resolver,
            allowed=public_or_in(settings.crawl_private_networks),
            connect_timeout=settings.page_connect_timeout,
        ) as client:
            yield Tools(
                fetcher=Fetcher(
                    client, HostPace(settings.crawl_pages_at_once), _fetching(settings)
                ),
                reading=_reading(settings),
                limits=_limits(settings),
            )


def _fetching(settings: RagSettings) -> fetch.FetchLimits:
    return fetch.FetchLimits(
        bytes=settings.max_page_bytes,
        seconds=settings.page_timeout,
        redirects=settings.max_page_redirects,
        retries=settings.page_retries,
        longest_delay=settings.crawl_delay_max,
        agent=settings.crawl_user_agent,
    )


def _reading(settings: RagSettings) -> reader.PageLimits:
    return reader.PageLimits(
        seconds=settings.document_seconds,
        memory=settings.document_memory_mb * 1024 * 1024,
        pages=settings.max_document_pages,
        characters=settings.max_document_characters,
        links=settings.max_page_links,
        entries=settings.max_sitemap_entries,
        agent=_product(settings),
    )


def _limits(settings: RagSettings) -> CrawlLimits:
    return CrawlLimits(
        pages=settings.max_site_pages,
        characters=settings.max_site_characters,
        seconds=settings.crawl_seconds,
        delay=settings.crawl_delay,
        longest_delay=settings.crawl_delay_max,
        at_once=settings.crawl_pages_at_once,
        bytes=settings.max_page_bytes,
        entries=settings.max_sitemap_entries,
        sitemaps=settings.max_sitemaps,
        agent=_product(settings),
        bounds=CrawlBounds(
            urls=settings.max_site_urls,
            depth=settings.crawl_depth,
            variants=settings.crawl_variants,
        ),
    )


def _product(settings: RagSettings) -> str:
    """Return the name by which robots.txt addresses us."""
    return settings.crawl_user_agent.split("/")[0].split(" ")[0]
