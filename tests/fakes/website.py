"""A real web server of ours, with whatever a site can do to a crawler."""

import asyncio
import gzip
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any

import uvicorn

HTML = "text/html; charset=utf-8"


@dataclass(frozen=True)
class Answer:
    """What to answer; `seconds` before it, `endless` of it until the client hangs up."""

    body: bytes = b""
    status: int = 200
    kind: str = HTML
    headers: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    endless: bool = False


def page(title: str, text: str, *links: str, head: str = "") -> Answer:
    """A page with links."""
    listed = "".join(f'<li><a href="{link}">{link}</a></li>' for link in links)
    html = (
        f"<!doctype html><html><head><title>{title}</title>{head}</head><body>"
        f"<nav><ul>{listed}</ul></nav><main><h1>{title}</h1><p>{text}</p></main></body></html>"
    )
    return Answer(html.encode())


def text(body: str, kind: str = "text/plain") -> Answer:
    """A text file."""
    return Answer(body.encode(), kind=kind)


def redirect(to: str, status: int = 302) -> Answer:
    """Another address."""
    return Answer(status=status, headers={"location": to})


def bomb(size: int) -> Answer:
    """A page of so many bytes that travels as a thousandth of it."""
    return Answer(gzip.compress(b"<p>" + b"0" * size), headers={"content-encoding": "gzip"})


@dataclass(frozen=True)
class Asked:
    """A request as it came: path with query, headers in lower case, seconds of the loop's clock."""

    target: str
    headers: dict[str, str]
    at: float


class Website:
    """An ASGI application. `pages` by path with query; `other` answers for those not there."""

    def __init__(self, base: str) -> None:
        self.base = base
        self.pages: dict[str, Answer] = {}
        self.other: Callable[[str], Answer] = lambda _target: Answer(b"Not here", 404)
        self.asked: list[Asked] = []
        self.open = 0
        self.most_open = 0
        self._gate: asyncio.Event | None = None
        self._gated: Callable[[str], bool] = lambda _target: False

    def url(self, path: str = "/") -> str:
        """The address of a path."""
        return self.base + path

    @property
    def targets(self) -> list[str]:
        """What was asked for, in order, robots.txt and sitemaps aside."""
        files = ("/robots.txt", "/sitemap")
        return [one.target for one in self.asked if not one.target.startswith(files)]

    @contextmanager
    def holding(self, gated: Callable[[str], bool]) -> Any:
        """Answer nothing at these targets until the block ends."""
        self._gate, self._gated = asyncio.Event(), gated
        try:
            yield
        finally:
            self._gate.set()
            self._gate = None

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        """Handle one request."""
        query = scope["query_string"].decode()
        target = scope["raw_path"].decode() + (f"?{query}" if query else "")
        headers = {name.decode(): value.decode("latin-1") for name, value in scope["headers"]}
        self.asked.append(Asked(target, headers, asyncio.get_running_loop().time()))
        self.open += 1
        self.most_open = max(self.most_open, self.open)
        try:
            if self._gate is not None and self._gated(target):
                await self._gate.wait()
            await self._respond(self._answer(target, headers), receive, send)
        finally:
            self.open -= 1

    def _answer(self, target: str, headers: dict[str, str]) -> Answer:
        answer = self.pages.get(target) or self.other(target)
        etag = answer.headers.get("etag")
        if etag is not None and headers.get("if-none-match") == etag:
            return Answer(status=304, headers={"etag": etag})
        return answer

    async def _respond(self, answer: Answer, receive: Any, send: Any) -> None:
        await asyncio.sleep(answer.seconds)
        headers = {"content-type": answer.kind, **answer.headers}
        encoded = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
        await send({"type": "http.response.start", "status": answer.status, "headers": encoded})
        await receive()
        hung_up = asyncio.ensure_future(receive())
        while answer.endless and not hung_up.done():
            await send({"type": "http.response.body", "body": answer.body, "more_body": True})
            await asyncio.sleep(0)
        hung_up.cancel()
        await send({"type": "http.response.body", "body": answer.body})


class _Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Any:
        """Leave the signals to pytest."""
        yield


@asynccontextmanager
async def running_website(host: str = "127.0.0.1") -> AsyncIterator[Website]:
    """Start a site on a free port."""
    listener = socket.create_server((host, 0))
    site = Website(f"http://{host}:{listener.getsockname()[1]}")
    config = uvicorn.Config(
        site,
        lifespan="off",
        ws="none",
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=1,
    )
    server = _Server(config)
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        yield site
    finally:
        server.should_exit = True
        await serving
        listener.close()
