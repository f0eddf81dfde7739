"""The URL and the key of an OpenAI-compatible server, as settings have them. Pure.

A mistake in them is found at start, with a sentence that says what to write: otherwise every answer
would fail with a 404.
"""

from ipaddress import ip_address
from urllib.parse import SplitResult, urlsplit

_PATHS = ("chat/completions", "completions", "embeddings", "models", "responses")
"""What the clients of such servers add themselves."""


def server_url(value: str, path: str) -> str:
    """Return a base URL without blanks around it or a slash at its end. Raises ValueError."""
    url = value.strip()
    if not url:
        return ""
    if any(character.isspace() or ord(character) < 32 for character in url):
        raise ValueError(f"there is a blank in it; write it like {_example(url)}")
    if (parts := _parts(url)) is None:
        raise ValueError(
            f"it is no URL that begins with http:// or https://; write it like {_example(url)}"
        )
    if parts.username or parts.password:
        raise ValueError("it has a user or password in it; the key belongs into the API key")
    if parts.query or parts.fragment or url.endswith(("?", "#")):
        raise ValueError(
            "it has a query (?) in it, and paths are added to its end; for Azure write it like "
            "https://NAME.openai.azure.com/openai/v1"
        )
    for ending in (path, *_PATHS):
        if parts.path.rstrip("/").endswith(f"/{ending}"):
            base = url.rstrip("/").removesuffix(f"/{ending}")
            raise ValueError(f"/{ending} is added to it; write {base}")
    return url.rstrip("/")


def server_key(value: str) -> str:
    """Return a key without what secrets often have around them. Raises ValueError."""
    key = value.strip()
    if not all("!" <= character <= "~" for character in key):
        raise ValueError("it has characters that no key has: blanks, line ends or non-ASCII ones")
    return key


def is_near(url: str) -> bool:
    """Tell whether a URL or host is on this machine or in a private network, by its name alone."""
    host = (_host(url) if "//" in url else url).strip("[]").lower().rstrip(".")
    try:
        address = ip_address(host)
    except ValueError:
        named = host.endswith((".local", ".localhost", ".internal", ".lan", ".home.arpa"))
        return bool(host) and (named or "." not in host)
    return address.is_private or address.is_loopback or address.is_link_local


def _parts(url: str) -> SplitResult | None:
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        return None
    return parts if usable else None


def _host(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def _example(url: str) -> str:
    """Return what was probably meant."""
    bare = "".join(url.split()).rpartition("://")[2]
    try:
        parts: SplitResult = urlsplit(f"http://{bare}")
        host = parts.netloc if parts.hostname and parts.username is None else ""
    except ValueError:
        host = ""
    return f"http://{host or 'localhost:11434'}{'/v1' if not host else parts.path}"
