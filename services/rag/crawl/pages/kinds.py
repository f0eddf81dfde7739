"""Which answers of a web server can be read, by what they say they are. No I/O."""

import re
from email.message import Message
from pathlib import PurePosixPath
from urllib.parse import unquote

from services.rag.crawl.fetch.urls import path_of

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
_DOCUMENTS = frozenset(_BY_TYPE.values()) - {HTML} | {".jsonl", ".ndjson"}
MOST_NAME = 200
"""Characters of a document's name."""
_NO_HEADER = re.compile(r"[\r\n]")


def content_type(header: str) -> tuple[str, str | None]:
    """Return the media type in lower case, and the charset when one is named."""
    if len(header) > MOST_TYPE:
        return "", None
    parsed = Message()
    parsed["content-type"] = header
    declared = parsed.get_content_charset() if header else None
    return (parsed.get_content_type() if "/" in header else ""), declared


def suffix_of(media_type: str, name: str) -> str | None:
    """Return the suffix by which read/document.py knows such content; None: it can't be read.

    `name` is that of a file: what it ends with counts, unless the answer is a page.
    """
    suffix = PurePosixPath(name).suffix.lower()
    if suffix in _DOCUMENTS and _BY_TYPE.get(media_type) != HTML:
        return suffix
    return _BY_TYPE.get(media_type)


def file_name(url: str, disposition: str) -> str:
    """Return the name of a document: the server's, else the end of its address."""
    parsed = Message()
    parsed["content-disposition"] = _NO_HEADER.sub(" ", disposition[:MOST_TYPE])
    named = parsed.get_filename() if disposition else None
    path = named or unquote(path_of(url))
    return PurePosixPath(path.replace("\\", "/")).name[:MOST_NAME]
