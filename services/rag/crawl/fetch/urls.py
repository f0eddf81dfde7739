"""Addresses of pages: one spelling for each, and which of them belong to a crawl. No I/O."""

import mimetypes
import re
from collections import Counter
from dataclasses import dataclass
from urllib.parse import unquote

from libs.egress.safe_url import URL_MAX, UnsafeUrl, read_url

SCHEMES = ("http", "https")
REPEATED = 3
"""A path that names one directory more often than this is a loop of relative links."""

# Parameters that say where a visitor came from. The lists that libraries bring also drop `ref`,
# `source`, `cid` and `uid`, which choose the page on some sites.
_TRACKING = re.compile(
    r"utm_.*|mtm_.*|pk_(campaign|kwd|source|medium|content)|_hs(enc|mi)|__hs.*|hsctatracking"
    r"|mc_[ce]id|oly_(anon|enc)_id|vero_id|_g[al]|_ke|ga_.*|li_fat_id|mkt_tok|ref_src|s_cid"
    r"|(g|db|fb|ms|y|tw|tt|d|wick)cl(k)?id|gclsrc|[gw]braid|igsh(id)?|yclid"
    r"|phpsessid|jsessionid|aspsessionid.*|sessionid",
    re.IGNORECASE,
)
_SESSION_IN_PATH = re.compile(r";jsessionid=[^/]*", re.IGNORECASE)
_SCHEME = re.compile(r"^[A-Za-z]+:")
_IGNORED_BY_BROWSERS = re.compile(r"[\t\n\r]")

_TYPES = mimetypes.MimeTypes()  # Python's own table, not the machine's
_NO_TEXT = ("image/", "audio/", "video/", "font/")
_NO_TEXT_SUFFIXES = (
    *(".css", ".js", ".mjs", ".map", ".wasm", ".woff", ".woff2", ".ttf", ".otf", ".eot", ".ics"),
    *(".zip", ".gz", ".tgz", ".bz2", ".xz", ".7z", ".rar", ".tar", ".iso", ".dmg", ".exe", ".msi"),
    *(".apk", ".deb", ".rpm", ".jar", ".bin", ".rss", ".atom"),
)

_INDEX = re.compile(r"/(?:index|default|home)\.(?:html?|php|aspx?|jsp)$")


def normalised(url: str, base: str | None = None) -> str | None:
    """Return the one spelling of a page's address; None when it is no http(s) address.

    Without fragment, tracking parameters, session ids and a default port; host in lower case and
    punycode, path without dot segments. The order of parameters stays: it can mean something.
    """
    cleaned = _IGNORED_BY_BROWSERS.sub("", url).strip()
    cleaned = _SCHEME.sub(lambda scheme: scheme[0].lower(), cleaned)
    try:
        target = read_url(cleaned, base=base, schemes=SCHEMES)
    except UnsafeUrl:
        return None
    path, _, query = target.raw_path.decode("ascii").partition("?")
    kept = "&".join(part for part in query.split("&") if part and not _is_tracking(part))
    path = _SESSION_IN_PATH.sub("", path) or "/"
    spelt = f"{target.scheme}://{target.netloc.decode('ascii')}{path}{'?' if kept else ''}{kept}"
    return spelt if len(spelt) <= URL_MAX else None


def _is_tracking(parameter: str) -> bool:
    return _TRACKING.fullmatch(unquote(parameter.partition("=")[0])) is not None


def site_of(url: str) -> str:
    """Return host and port of a normalised address; http and https on their own ports are one."""
    return url.split("/", 3)[2]


def path_of(url: str) -> str:
    """Return the path of a normalised address as a person writes it."""
    return unquote("/" + url.split("/", 3)[3].partition("?")[0])


def without_query(url: str) -> str:
    """Return an address up to its query."""
    return url.partition("?")[0]


@dataclass(frozen=True, kw_only=True)
class Scope:
    """What belongs to a crawl: hosts, and prefixes of paths; no `include` includes all."""

    sites: frozenset[str]
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()

    def covers(self, url: str) -> bool:
        """Say whether a normalised address belongs to it and may be a page or a document."""
        if site_of(url) not in self.sites:
            return False
        path = path_of(url)
        if self.include and not path.startswith(self.include):
            return False
        return not path.startswith(self.exclude) and _may_have_text(path) and not _loops(path)


def _may_have_text(path: str) -> bool:
    if path.lower().endswith(_NO_TEXT_SUFFIXES):
        return False
    kind, _ = _TYPES.guess_type(path)
    return kind is None or not kind.startswith(_NO_TEXT)


def _loops(path: str) -> bool:
    counted = Counter(filter(None, path.split("/")))
    return any(times > REPEATED for times in counted.values())


def spelling_of(url: str) -> str:
    """Return what the usual spellings of a page's address have in common.

    Of "/a", "/A", "/a/" and "/a/index.html"; whether they are one page, their texts tell.
    """
    address, _, query = url.partition("?")
    return f"{_INDEX.sub('', address.lower()).rstrip('/')}?{query}"
