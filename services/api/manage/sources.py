"""/v1/agents/{agent_id}/sources: what an agent knows. rag owns them; the edge asks it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from os import SEEK_END
from pathlib import PurePath
from typing import Annotated, Any, Literal

import msgspec
from litestar import Response, delete, get, patch, post, put
from litestar.datastructures import UploadFile
from litestar.enums import RequestEncodingType
from litestar.openapi import ResponseSpec
from litestar.params import Body

from libs.bus.bus import Bus
from libs.bus.errors import FaultError, Refused
from libs.bus.files import Files
from libs.contracts import sources as contract
from libs.contracts.sources import (
    CrawlScope,
    FileInfo,
    Note,
    SitePages,
    Source,
    SourceRow,
    SourceStatus,
    SourceType,
    Website,
)
from libs.runtime.ids import new_id
from services.api.edge.fair_order import OWN_ROOM
from services.api.http.errors import InvalidRequest
from services.api.http.paging import DEFAULT_LIMIT, Cursor, Limit, Page, page
from services.api.http.ranges import LARGEST
from services.api.http.uploads import read_form
from services.api.store.agents import Agent

Title = Annotated[str, msgspec.Meta(max_length=200)]
Question = Annotated[str, msgspec.Meta(max_length=2_000)]
Answer = Annotated[str, msgspec.Meta(max_length=20_000)]
Url = Annotated[str, msgspec.Meta(max_length=2_000)]


NEEDED = {"qa": ("question", "answer"), "text": ("title", "text"), "website": ("url",)}
OPTIONAL = {"website": ("crawl",)}
CONTENT = {"question", "answer", "text", "url", "crawl"}
FILE_SUFFIXES = (
    *(".pdf", ".docx", ".xlsx", ".csv", ".txt", ".md"),
    *(".json", ".jsonl", ".ndjson", ".html", ".htm"),
)
MAX_FILE_NAME = 200
NOT_DONE = frozenset({"invalid", "not_found", "conflict"})
"""Faults that say for sure that nothing was changed."""


PathPrefix = Annotated[str, msgspec.Meta(min_length=1, max_length=500, pattern="^/")]
PathPrefixes = Annotated[tuple[PathPrefix, ...], msgspec.Meta(max_length=50)]


class CrawlBody(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Which pages of a site: at most `max_pages`, by what their paths begin with."""

    max_pages: Annotated[int, msgspec.Meta(ge=1, le=LARGEST)] | None = None
    include: PathPrefixes = ()
    exclude: PathPrefixes = ()


class CreateSourceBody(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A new source.

    `qa` needs `question` and `answer`, `text` needs `title` and `text`, `website` needs `url`: only
    that page, or with `crawl` its site.
    """

    type: Literal["qa", "text", "website"]
    title: Title = ""
    question: Question = ""
    answer: Answer = ""
    text: str = ""
    url: Url = ""
    crawl: CrawlBody | None = None


NOT_BLANK = msgspec.Meta(extra_json_schema={"minLength": 1, "pattern": r"\S"})


class UpdateSourceBody(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What to change; what is left out stays. The fields are those of the source's type."""

    title: Annotated[Title, NOT_BLANK] | msgspec.UnsetType = msgspec.UNSET
    question: Annotated[Question, NOT_BLANK] | msgspec.UnsetType = msgspec.UNSET
    answer: Annotated[Answer, NOT_BLANK] | msgspec.UnsetType = msgspec.UNSET
    text: Annotated[str, NOT_BLANK] | msgspec.UnsetType = msgspec.UNSET
    url: Annotated[Url, NOT_BLANK] | msgspec.UnsetType = msgspec.UNSET
    crawl: CrawlBody | msgspec.UnsetType = msgspec.UNSET


class SourceView(msgspec.Struct, kw_only=True):
    """A source. It is used in answers once its status is `ready`; `error` says why it failed.

    `notes` say what of it was left out and why, such as hidden sheets or pages that are pictures.
    A source that was changed is `queued` again; its former content is used until it is `ready`.
    A website has a `url`, its `crawl` if asked for, and `pages` as soon as its crawl has begun.
    """

    id: str
    type: SourceType
    title: str
    status: SourceStatus
    chunks: int
    created_at: datetime
    updated_at: datetime
    error: str | None
    file: FileInfo | None
    total_chunks: int | None
    url: str | None
    crawl: CrawlScope | None
    pages: SitePages | None
    notes: tuple[Note, ...]


class UploadFileForm(msgspec.Struct, kw_only=True):
    """A document. Its title is its name, unless another is given."""

    file: UploadFile
    title: Title = ""


class SourceContent(SourceView, kw_only=True, omit_defaults=True):
    """A source with its content."""

    question: str = ""
    answer: str = ""
    text: str = ""


SAME_CONTENT = {200: ResponseSpec(SourceView, description="The agent has this content already")}


@post(
    "/v1/agents/{agent_id:str}/sources",
    summary="Add a source",
    tags=["Sources"],
    responses=SAME_CONTENT,
)
async def create_source(
    agent: Agent,
    data: CreateSourceBody,
    bus: Bus,
) -> Response[SourceView]:
    """Add a source; it is indexed in the background, see its `status`.

    When the agent has a source with this content already, that one is returned, with a 200.
    """
    check(data)
    command = contract.CreateSource(
        source_id=new_id("src"),
        account_id=agent.account_id,
        agent_id=agent.id,
        kind=data.type,
        title=data.title.strip() or (data.question or data.url).strip()[:200],
        question=data.question.strip(),
        answer=data.answer.strip(),
        text=data.text.strip(),
        website=website(data),
    )
    return created(command, await bus.call(contract.CREATE_SOURCE, command))


@post(
    "/v1/agents/{agent_id:str}/sources/files",
    summary="Add a file as a source",
    tags=["Sources"],
    responses=SAME_CONTENT,
    opt={"media_type": "multipart/form-data", OWN_ROOM: True},
    before_request=read_form,
)
async def upload_file(
    agent: Agent,
    data: Annotated[UploadFileForm, Body(media_type=RequestEncodingType.MULTI_PART)],
    bus: Bus,
    files: Files,
) -> Response[SourceView]:
    """Add a document as `multipart/form-data`: pdf, docx, xlsx, csv, txt, md, json or html.

    It is read and indexed in the background, see its `status` and `error`. A table with the
    columns `question` and `answer` becomes questions with answers. When the agent has a source
    with this content already, that one is returned, with a 200.
    """
    source_id = new_id("src")
    file, digest = await keep(data.file, files, source_id)
    command = contract.CreateSource(
        source_id=source_id,
        account_id=agent.account_id,
        agent_id=agent.id,
        kind="file",
        title=data.title.strip() or file.name,
        file=file,
        digest=digest,
    )
    async with _unless_refused(files, source_id):
        return created(command, await bus.call(contract.CREATE_SOURCE, command))


@put(
    "/v1/agents/{agent_id:str}/sources/{source_id:str}/file",
    summary="Replace the file of a source",
    tags=["Sources"],
    opt={"media_type": "multipart/form-data", OWN_ROOM: True},
    before_request=read_form,
)
async def replace_file(
    agent: Agent,
    source_id: str,
    data: Annotated[UploadFileForm, Body(media_type=RequestEncodingType.MULTI_PART)],
    bus: Bus,
    files: Files,
) -> SourceView:
    """Upload a new version of a document. The one before it is used until this one is `ready`."""
    file_id = new_id("file")
    file, digest = await keep(data.file, files, file_id)
    command = contract.UpdateSource(
        agent_id=agent.id,
        source_id=source_id,
        title=data.title.strip() or None,
        file=file,
        file_id=file_id,
        digest=digest,
    )
    async with _unless_refused(files, file_id):
        return view(await bus.call(contract.UPDATE_SOURCE, command))


@patch(
    "/v1/agents/{agent_id:str}/sources/{source_id:str}", summary="Change a source", tags=["Sources"]
)
async def update_source(
    agent: Agent, source_id: str, data: UpdateSourceBody, bus: Bus
) -> SourceView:
    """Change a source. Its former content is used until the new one is `ready`."""
    given: dict[str, Any] = {
        name: value.strip()
        for name, value in msgspec.structs.asdict(data).items()
        if isinstance(value, str)
    }
    for name, value in given.items():
        if not value:
            raise InvalidRequest(f"{name} can't be empty.", param=name)
    crawl = None if data.crawl is msgspec.UNSET else scope_of(data.crawl)
    command = contract.UpdateSource(agent_id=agent.id, source_id=source_id, crawl=crawl, **given)
    return view(await bus.call(contract.UPDATE_SOURCE, command))


@post(
    "/v1/agents/{agent_id:str}/sources/{source_id:str}/reindex",
    summary="Index a source again",
    tags=["Sources"],
    status_code=200,
)
async def reindex_source(agent: Agent, source_id: str, bus: Bus) -> SourceView:
    """Read and index a source again. What was indexed before is used until it is `ready`."""
    command = contract.UpdateSource(agent_id=agent.id, source_id=source_id)
    return view(await bus.call(contract.UPDATE_SOURCE, command))


@get("/v1/agents/{agent_id:str}/sources", summary="List sources", tags=["Sources"])
async def list_sources(
    agent: Agent,
    bus: Bus,
    cursor: Cursor = None,
    limit: Limit = DEFAULT_LIMIT,
) -> Page[SourceView]:
    """List sources, newest first, without their content."""
    question = contract.ListSources(agent_id=agent.id, cursor=cursor, limit=limit)
    found = await bus.call(contract.LIST_SOURCES, question)
    return page([view(source) for source in found.items], found.next_cursor)


@get("/v1/agents/{agent_id:str}/sources/{source_id:str}", summary="Get a source", tags=["Sources"])
async def get_source(
    agent: Agent,
    source_id: str,
    bus: Bus,
) -> SourceContent:
    """Get one source with its content and status."""
    source = await bus.call(
        contract.GET_SOURCE, contract.GetSource(agent_id=agent.id, source_id=source_id)
    )
    return SourceContent(
        question=source.question,
        answer=source.answer,
        text=source.text,
        **msgspec.structs.asdict(view(source)),
    )


@delete(
    "/v1/agents/{agent_id:str}/sources/{source_id:str}", summary="Delete a source", tags=["Sources"]
)
async def delete_source(
    agent: Agent,
    source_id: str,
    bus: Bus,
) -> None:
    """Delete a source; no answer uses it any more."""
    await bus.call(
        contract.DELETE_SOURCE, contract.DeleteSource(agent_id=agent.id, source_id=source_id)
    )


def check(data: CreateSourceBody) -> None:
    """Check that a source has what its type needs, and nothing else. Raises InvalidRequest."""
    needed = NEEDED[data.type]
    for name in needed:
        if not getattr(data, name).strip():
            raise InvalidRequest(f"A source of type {data.type} needs {name}.", param=name)
    for name in CONTENT - {*needed, *OPTIONAL.get(data.type, ())}:
        if getattr(data, name):
            raise InvalidRequest(f"A source of type {data.type} has no {name}.", param=name)


async def keep(upload: UploadFile, files: Files, file_id: str) -> tuple[FileInfo, str]:
    """Store an uploaded file; return what it is and its digest. Raises InvalidRequest."""
    name = PurePath(upload.filename).name[:MAX_FILE_NAME]
    if PurePath(name).suffix.lower() not in FILE_SUFFIXES:
        raise InvalidRequest(f"A file is one of {', '.join(FILE_SUFFIXES)}.", param="file")
    content = upload.file
    size = content.seek(0, SEEK_END)
    content.seek(0)
    if not size:
        raise InvalidRequest("The file is empty.", param="file")
    return FileInfo(name=name, size=size), await files.put(file_id, content)


@asynccontextmanager
async def _unless_refused(files: Files, file_id: str) -> AsyncIterator[None]:
    """Remove a stored file when no source has it for sure.

    After an outage a source may; rag removes the file should that not be so (sweep_files).
    """
    try:
        yield
    except Refused:
        await files.delete(file_id)
        raise
    except FaultError as error:
        if error.fault.code in NOT_DONE:
            await files.delete(file_id)
        raise


def created(command: contract.CreateSource, source: Source) -> Response[SourceView]:
    """Return a new source with a 201, one with the same content with a 200."""
    return Response(view(source), status_code=201 if source.id == command.source_id else 200)


def website(data: CreateSourceBody) -> Website | None:
    """Return what to read of a site, None for a source of another type."""
    if data.type != "website":
        return None
    return Website(url=data.url.strip(), crawl=scope_of(data.crawl))


def scope_of(crawl: CrawlBody | None) -> CrawlScope | None:
    """Return which pages of a site to read, None for one page alone."""
    return msgspec.convert(crawl, CrawlScope | None, from_attributes=True)


def view(source: Source | SourceRow) -> SourceView:
    """Return what the API shows of a source."""
    return SourceView(
        id=source.id,
        type=source.kind,
        title=source.title,
        status=source.status,
        chunks=source.chunks,
        created_at=source.created_at,
        updated_at=source.updated_at,
        error=source.error,
        file=source.file,
        total_chunks=source.total_chunks,
        url=source.website.url if source.website else None,
        crawl=source.website.crawl if source.website else None,
        pages=source.pages,
        notes=source.notes,
    )
