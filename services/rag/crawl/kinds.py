"""Which answers of a web server can be read, by what they say they are. No I/O."""

from email.message import Message
from pathlib import PurePosixPath

from services.rag.crawl.urls import path_of

HTML = ".html"
MOST_TYPE = 500
"""Characters of a Content-Type that is read: reading takes the square of them."""
_BY_TYPE = {
    "text/html": HTML,
    "application/xhtml+xml": HTML,
    "text/plain": ".txt",
    "text/markdown": ".md",
    "text/x-markdown": ".md",
    "text/csv": ".csv",
    "application/json": ".json",
    "application/pdf": ".pdf",
    "application/x-pdf": ".pdf",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": ".docx",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": ".xlsx",
}
_VAGUE = {"", "application/octet-stream", "binary/octet-stream", "text/plain"}
"""What servers say when they don't know: then the name decides, if it can."""


def content_type(header: str) -> tuple[str, str | None]:
    """Return the media type in lower case, and the charset when one is named."""
    if len(header) > MOST_TYPE:
        return "", None
    parsed = Message()
    parsed["content-type"] = header
    declared = parsed.get_content_charset() if header else None
    return (parsed.get_content_type() if "/" in header else ""), declared


def suffix_of(media_type: str, url: str) -> str | None:
    """Return the suffix that `parse.document` knows such content by; None when it can't be read."""
    if media_type in _VAGUE:
        suffix = PurePosixPath(path_of(url)).suffix.lower()
        if suffix in _BY_TYPE.values():
            return suffix
    return _BY_TYPE.get(media_type)
