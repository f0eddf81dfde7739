"""The part `site` of a website's document in `sources`, see crawl/state.py. No I/O."""

from typing import Any

import msgspec

from libs.contracts.sources import SitePages, Website


def new_site(website: Website | None) -> dict[str, Any] | None:
    """Return the part of a new source's document."""
    if website is None:
        return None
    return {
        "website": msgspec.to_builtins(website),
        "done": 0,
        "crawler": None,
        "error": None,
        "pages": None,
        "tries": {},
    }


def website_of(site: dict[str, Any] | None) -> Website | None:
    """Read what is to be crawled from the part; None for sources of other types."""
    return None if site is None else msgspec.convert(site["website"], Website)


def pages_of(site: dict[str, Any] | None) -> SitePages | None:
    """Read how far the crawl is from the part; None until it has begun."""
    return None if site is None else msgspec.convert(site["pages"], SitePages | None)
