"""Sitemaps and their index files (sitemaps.org). Runs in the reading process."""

from lxml import etree  # type: ignore[import-untyped]  # it has no stubs

from services.rag.crawl.fetch.urls import normalised
from services.rag.read.section import Unreadable


def read_sitemap(content: bytes, url: str, most: int) -> tuple[list[str], list[str]]:
    """Return the pages and the sitemaps that one names, at most so many. Raises Unreadable."""
    if not content.lstrip().startswith((b"<", b"\xef\xbb\xbf<")):
        lines = content.decode("utf-8-sig", "replace").splitlines()
        return _addresses(lines[:most], url), []
    # No entity is expanded and nothing is fetched; a broken file gives what stands before that.
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, recover=True, huge_tree=False
    )
    try:
        root = etree.fromstring(content, parser)
    except etree.XMLSyntaxError as error:
        raise Unreadable("It is no sitemap.") from error
    if root is None:
        raise Unreadable("It is no sitemap.")
    pages = root.xpath("//*[local-name()='url']/*[local-name()='loc']/text()")
    sitemaps = root.xpath("//*[local-name()='sitemap']/*[local-name()='loc']/text()")
    return _addresses(pages[:most], url), _addresses(sitemaps[:most], url)


def _addresses(found: list[str], base: str) -> list[str]:
    spelt = (normalised(one, base) for one in found if one.strip())
    return list(dict.fromkeys(url for url in spelt if url is not None))
