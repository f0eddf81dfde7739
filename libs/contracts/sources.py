"""What rag answers: the sources of an agent; and the job that indexes one."""

from datetime import datetime
from typing import Literal

from libs.contracts.calls import Call, Done
from libs.contracts.message import Message, Part

SourceType = Literal["qa", "text", "file", "website"]
SourceStatus = Literal["queued", "processing", "ready", "failed"]


class FileInfo(Part, frozen=True, kw_only=True):
    """An uploaded file of `size` bytes. Its content is in libs.bus.files, by the source's id."""

    name: str
    size: int


class CrawlScope(Part, frozen=True, kw_only=True):
    """Which pages of a site: at most so many (None: as many as are allowed), by their paths.

    A path that begins with one of `exclude` is left out, and with `include` all that begin with
    none of these.
    """

    max_pages: int | None = None
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()


class Website(Part, frozen=True, kw_only=True):
    """The address of a page; with `crawl` also other pages of its site."""

    url: str
    crawl: CrawlScope | None = None


class SkippedPage(Part, frozen=True, kw_only=True):
    """A page that was left out, and why."""

    url: str
    reason: str


class SitePages(Part, frozen=True, kw_only=True):
    """How far the crawl of a site is: pages read, addresses found, addresses that gave no page.

    `reasons` has the first of the skipped ones, `note` says which limit ended the crawl.
    """

    fetched: int
    known: int
    skipped: int
    reasons: tuple[SkippedPage, ...] = ()
    note: str = ""


class Note(Part, frozen=True, kw_only=True):
    """What was left out of a source that was read, or read otherwise than it looks, and why.

    `code` is a short name for programs ("hidden_sheet"), `message` a sentence for the source's
    owner, `place` where it is ("page 3", "sheet Prices", an address), empty for all of the source.
    """

    code: str
    message: str
    place: str = ""


class CreateSource(Message, frozen=True, kw_only=True, tag="rag.create_source.v1"):
    """Add a source.

    `qa` needs question and answer, `text` needs text, `file` needs file, `website` needs website.
    The edge has checked that, and has stored the file, whose `digest` tells it from others.
    Answered with the source that has the same content, when the agent has one already.
    """

    source_id: str
    account_id: str
    agent_id: str
    kind: SourceType
    title: str
    question: str = ""
    answer: str = ""
    text: str = ""
    file: FileInfo | None = None
    digest: str = ""
    website: Website | None = None


class Source(Message, frozen=True, kw_only=True, tag="rag.source.v1"):
    """A source and how far its indexing has come. `error` says why it failed.

    `chunks` are indexed by now, of `total_chunks`; that is None until the content was cut.
    `version` grows with every change of the content; until a version is ready, the one before it
    is used in answers. The file is in libs.bus.files under `file_id`. `notes` say what of the
    version was left out.
    """

    id: str
    agent_id: str
    kind: SourceType
    title: str
    status: SourceStatus
    chunks: int
    created_at: datetime
    updated_at: datetime
    error: str | None = None
    question: str = ""
    answer: str = ""
    text: str = ""
    file: FileInfo | None = None
    file_id: str = ""
    total_chunks: int | None = None
    version: int = 1
    website: Website | None = None
    pages: SitePages | None = None
    notes: tuple[Note, ...] = ()


class SourceRow(Part, frozen=True, kw_only=True):
    """A source in a list: without its content."""

    id: str
    agent_id: str
    kind: SourceType
    title: str
    status: SourceStatus
    chunks: int
    created_at: datetime
    updated_at: datetime
    error: str | None = None
    file: FileInfo | None = None
    total_chunks: int | None = None
    website: Website | None = None
    pages: SitePages | None = None
    notes: tuple[Note, ...] = ()


class ListSources(Message, frozen=True, kw_only=True, tag="rag.list_sources.v1"):
    """Ask for an agent's sources, newest first, after `cursor`."""

    agent_id: str
    cursor: str | None = None
    limit: int = 50


class SourcePage(Message, frozen=True, kw_only=True, tag="rag.source_page.v1"):
    """Sources and the cursor of the next page, None on the last one."""

    items: tuple[SourceRow, ...]
    next_cursor: str | None = None


class GetSource(Message, frozen=True, kw_only=True, tag="rag.get_source.v1"):
    """Ask for one source."""

    agent_id: str
    source_id: str


class UpdateSource(Message, frozen=True, kw_only=True, tag="rag.update_source.v1"):
    """Change a source and index it again; what is None stays. Nothing but None: index it again.

    `text`, say, is for a source of type `text` only. A new `file` has been stored under `file_id`.
    """

    agent_id: str
    source_id: str
    title: str | None = None
    question: str | None = None
    answer: str | None = None
    text: str | None = None
    url: str | None = None
    crawl: CrawlScope | None = None
    file: FileInfo | None = None
    file_id: str = ""
    digest: str = ""


class DeleteSource(Message, frozen=True, kw_only=True, tag="rag.delete_source.v1"):
    """Remove a source and its chunks; answered when no answer can use it any more."""

    agent_id: str
    source_id: str


class SourceSubmitted(Message, frozen=True, kw_only=True, tag="sources.submitted.v1"):
    """A source waits for indexing; `change` names what is new: a version, a crawl, its deletion."""

    agent_id: str
    source_id: str
    change: str = ""


class SourceCrawl(Message, frozen=True, kw_only=True, tag="sources.crawl.v1"):
    """The pages of a website wait for being fetched, in a crawl of this number."""

    agent_id: str
    source_id: str
    number: int = 0


CREATE_SOURCE = Call("rag.create_source", CreateSource, Source)
LIST_SOURCES = Call("rag.list_sources", ListSources, SourcePage)
GET_SOURCE = Call("rag.get_source", GetSource, Source)
UPDATE_SOURCE = Call("rag.update_source", UpdateSource, Source)
DELETE_SOURCE = Call("rag.delete_source", DeleteSource, Done)
