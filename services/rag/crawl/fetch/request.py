"""What a website source may ask for. No I/O: its host is looked up when it is fetched."""

import msgspec

from libs.bus.errors import FaultError
from libs.contracts.sources import CrawlScope, Website
from libs.egress.safe_url import UnsafeUrl, parse_target
from services.rag.crawl.fetch.urls import SCHEMES, normalised


def checked(website: Website, most_pages: int) -> Website:
    """Return what to read with its address normalised. Raises FaultError `invalid`."""
    try:
        parse_target(website.url, schemes=SCHEMES)
    except UnsafeUrl as error:
        raise FaultError("invalid", f"url {error}.", "url") from error
    url = normalised(website.url)
    if url is None:
        raise FaultError("invalid", "url is not a valid URL.", "url")
    if website.crawl is not None:
        _check_scope(website.crawl, most_pages)
    return msgspec.structs.replace(website, url=url)


def _check_scope(scope: CrawlScope, most_pages: int) -> None:
    if scope.max_pages is not None and not 1 <= scope.max_pages <= most_pages:
        raise FaultError(
            "invalid", f"crawl.max_pages must be 1 to {most_pages}.", "crawl.max_pages"
        )
    for name, prefixes in (("include", scope.include), ("exclude", scope.exclude)):
        if any(not prefix.startswith("/") for prefix in prefixes):
            raise FaultError(
                "invalid",
                f'crawl.{name} has paths that begin with "/", such as "/docs".',
                f"crawl.{name}",
            )
