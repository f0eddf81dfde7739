"""robots.txt, as RFC 9309 has it. No I/O."""

from protego import Protego

MOST_BYTES = 512 * 1024
"""What is read of a robots.txt; the standard asks for at least 500 KiB."""


class Rules:
    """What one robots.txt lets us do."""

    def __init__(self, text: str, agent: str) -> None:
        self._rules = Protego.parse(text)
        self._agent = agent
        self.size = len(text)

    def allow(self, url: str) -> bool:
        """Say whether an address may be fetched."""
        allowed: bool = self._rules.can_fetch(url, self._agent)
        return allowed

    @property
    def delay(self) -> float:
        """Seconds between two requests, 0 when nothing is asked for."""
        rate = self._rules.request_rate(self._agent)
        asked = float(self._rules.crawl_delay(self._agent) or 0)
        return max(asked, rate.seconds / rate.requests if rate and rate.requests else 0.0)

    @property
    def sitemaps(self) -> tuple[str, ...]:
        """The sitemaps that it names, as it spells them."""
        return tuple(self._rules.sitemaps)


def rules_of(status: int, body: bytes, agent: str) -> Rules | None:
    """Return the rules of an answer to /robots.txt; None when nothing may be fetched.

    A site without the file allows everything; one that can't say forbids everything.
    """
    if status >= 500 or status == 429:
        return None
    text = body[:MOST_BYTES].decode("utf-8-sig", "replace") if status < 300 else ""
    return Rules(text, agent)


def directives_of(values: list[str], agent: str) -> frozenset[str]:
    """Read X-Robots-Tag headers: noindex, nofollow, for everybody or for us."""
    found: set[str] = set()
    for value in values:
        name, colon, rest = value.partition(":")
        named = colon and "," not in name and name.strip().lower() not in _WITH_VALUE
        if named and name.strip().lower() != agent.lower():
            continue
        found |= words_of(rest if named else value)
    return frozenset(found)


def words_of(value: str) -> set[str]:
    """Return the directives in a comma separated list; `none` is both that count."""
    words = {word.strip().lower() for word in value.split(",")}
    return words | {"noindex", "nofollow"} if "none" in words else words


_WITH_VALUE = {"unavailable_after", "max-snippet", "max-image-preview", "max-video-preview"}
