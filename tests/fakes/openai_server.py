"""A fake OpenAI-compatible server: real HTTP, scripted answers, misbehaviour on request.

In a test, on the test's own loop and a free port:

    async with FakeOpenAI() as fake:
        fake.default = Script(text="We open at nine.")      # for any model
        fake.scripts["slow"] = Script(interval_ms=50)       # for one model name
        ...
        assert fake.chats[-1].body["messages"]              # what it was asked

By itself: `python -m tests.fakes.openai_server --port 9999 --tokens 64 --interval-ms 20`. Model
names of `SCRIPTS` misbehave; `PUT /control/scripts/<model>` takes a Script as JSON (`default` for
all others), `POST /control/resume` ends a stall, `GET /control/stats` counts what happened.
"""

import argparse
import asyncio
import base64
import json
import socket
import struct
import time
from collections import Counter, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, MutableMapping
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Self

import uvicorn

from tests.fakes import openai_wire as wire
from tests.fakes.openai_scripts import SCRIPTS, Script

__all__ = ["SCRIPTS", "FakeOpenAI", "Script", "Seen"]

Asgi = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Asgi]]
Send = Callable[[Asgi], Awaitable[None]]

REMEMBERED = 2000
"""How many requests are kept for inspection."""


@dataclass
class Seen:
    """One request, and how it ended: `finished` by us or `disconnected_at` by the client."""

    path: str
    headers: dict[str, str]
    body: dict[str, Any]
    client: tuple[str, int]  # the other end of the connection
    at: float = field(default_factory=time.monotonic)
    sent: int = 0  # tokens
    finished: bool = False
    disconnected_at: float | None = None
    over: bool = False  # nothing is being sent any more, for whatever reason


class FakeOpenAI:
    """The server. Attributes may be changed at any time; they hold for the next request."""

    def __init__(
        self, port: int = 0, default: Script | None = None, api_key: str = "", dimensions: int = 384
    ) -> None:
        self.port = port
        self.default = default or Script()
        self.scripts = dict(SCRIPTS)
        self.api_key = api_key  # when set, every other key gets a 401
        self.dimensions = dimensions
        self.requests: deque[Seen] = deque(maxlen=REMEMBERED)
        self.disconnects = 0
        self._asked: Counter[str] = Counter()
        self._resumed = asyncio.Event()
        self._changed = asyncio.Condition()
        self._running: set[asyncio.Task[Any]] = set()

    @property
    def base_url(self) -> str:
        """What LLM_BASE_URL and EMBEDDINGS_BASE_URL are set to."""
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def chats(self) -> list[Seen]:
        """The chat completions that were asked for, oldest first."""
        return [seen for seen in self.requests if seen.path == "/v1/chat/completions"]

    @property
    def open_chats(self) -> int:
        """How many chat completions are still being answered."""
        return sum(not seen.over for seen in self.chats)

    def resume(self) -> None:
        """Let every stalled stream go on, and none stall until `pause`."""
        self._resumed.set()

    def pause(self) -> None:
        """Let streams stall again where their script says so."""
        self._resumed.clear()

    async def until(self, condition: Callable[[Self], bool], timeout: float = 10.0) -> None:
        """Wait until something seen makes `condition(fake)` true; TimeoutError otherwise."""
        async with asyncio.timeout(timeout), self._changed:
            await self._changed.wait_for(lambda: condition(self))

    async def __aenter__(self) -> Self:
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", self.port))
        listener.listen(2048)  # who connects before the server is up waits in line
        self.port = listener.getsockname()[1]
        config = uvicorn.Config(
            self, lifespan="off", log_config=None, log_level="critical", ws="none"
        )
        self._server = _Server(config)
        self._serving = asyncio.create_task(self._server.serve(sockets=[listener]))
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._running:
            task.cancel()
        self._server.should_exit = True
        await self._serving

    async def __call__(self, scope: Asgi, receive: Receive, send: Send) -> None:
        """Serve one request (ASGI)."""
        task = asyncio.current_task()
        assert task is not None
        self._running.add(task)
        try:
            await self._route(scope, receive, send)
        except asyncio.CancelledError:
            task.uncancel()  # the client left, or the server stops: the connection just closes
        finally:
            self._running.discard(task)

    async def _route(self, scope: Asgi, receive: Receive, send: Send) -> None:
        path: str = scope["path"]
        body = await _read(receive)
        if path.startswith("/control/"):
            await _respond(send, 200, self._control(path, body))
            return
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        seen = Seen(path, headers, body, scope["client"])
        self.requests.append(seen)
        async with self._changed:
            self._changed.notify_all()
        if self.api_key and headers.get("authorization") != f"Bearer {self.api_key}":
            await _respond(send, 401, wire.error(401))
        elif path == "/v1/models":
            await _respond(
                send, 200, {"object": "list", "data": [wire.model_entry(m) for m in self.scripts]}
            )
        elif path == "/v1/embeddings":
            await _respond(send, 200, self._embed(body))
        elif path == "/v1/chat/completions":
            async with self._noticing(receive, seen):
                await self._chat(seen, send)
        else:
            await _respond(send, 404, wire.error(404))

    def _control(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        match path.split("/")[2:]:
            case ["scripts", "default"]:
                self.default = Script(**body)
            case ["scripts", model]:
                self.scripts[model] = Script(**body)
            case ["resume"]:
                self.resume()
        finished = sum(seen.finished for seen in self.requests)
        return {
            "requests": len(self.requests),
            "finished": finished,
            "disconnects": self.disconnects,
        }

    @asynccontextmanager
    async def _noticing(self, receive: Receive, seen: Seen) -> AsyncIterator[None]:
        """Cancel the block, and record it, when the client leaves before the end."""
        answering = asyncio.current_task()
        assert answering is not None

        async def watch() -> None:
            while (await receive())["type"] != "http.disconnect":
                pass
            if not seen.finished:
                seen.disconnected_at = time.monotonic()
                self.disconnects += 1
            answering.cancel()

        watching = asyncio.create_task(watch())
        try:
            yield
        finally:
            watching.cancel()
            seen.over = True
            async with self._changed:
                self._changed.notify_all()

    async def _chat(self, seen: Seen, send: Send) -> None:
        model = seen.body.get("model", "")
        script = self.scripts.get(model, self.default)
        self._asked[model] += 1
        if script.silent:
            await asyncio.Event().wait()
        if script.status != 200 and self._asked[model] <= script.failures:
            seen.finished = True
            await _respond(send, script.status, wire.error(script.status), script.retry_after)
        elif seen.body.get("stream"):
            await self._stream(seen, script, model, send)
        else:
            await asyncio.sleep((script.first_token_ms + script.tokens * script.interval_ms) / 1000)
            seen.finished = True
            await _respond(
                send, 200, wire.completion(model, script, wire.pieces(script, seen.body))
            )

    async def _stream(self, seen: Seen, script: Script, model: str, send: Send) -> None:
        chunks = wire.chunks(model, script, wire.pieces(script, seen.body))
        await send(_start(200, b"text/event-stream; charset=utf-8"))
        if script.hang:
            await asyncio.Event().wait()
        begun = asyncio.get_running_loop().time() + script.first_token_ms / 1000
        for first in range(0, len(chunks), script.burst):
            await _sleep_until(begun + first * script.interval_ms / 1000)
            for trouble in range(first, min(first + script.burst, len(chunks))):
                if not await self._misbehave(trouble, script, send):
                    return
            group = chunks[first : first + script.burst]
            await send(_part(group[0] if len(group) == 1 else b"".join(group)))
            seen.sent += len(group)
        if not await self._misbehave(len(chunks), script, send):
            return
        seen.finished = True
        ending = wire.ending(model, script, seen.body, len(chunks))
        if script.end_ms:
            await send(_part(ending))
            await asyncio.sleep(script.end_ms / 1000)
            ending = b""
        await send(_part(ending, last=True))

    async def _misbehave(self, sent: int, script: Script, send: Send) -> bool:
        """Do what the script has for after `sent` tokens; False when the stream is over by it."""
        if sent == script.stall_after:
            async with self._changed:
                self._changed.notify_all()
            await self._resumed.wait()
        if sent == script.malformed_after:
            await send(_part(b'data: {"choices": [{"delta": {"content": "brok\n\n'))
        if sent == script.error_after:
            await send(_part(wire.event(wire.error(500))))
        # Returning before the response is complete makes the server close the connection.
        return sent not in (script.cut_after, script.error_after)

    def _embed(self, body: dict[str, Any]) -> dict[str, Any]:
        texts = body["input"] if isinstance(body["input"], list) else [body["input"]]
        encoded = body.get("encoding_format") == "base64"
        data = []
        for index, text in enumerate(texts):
            vector = wire.vector(text, body.get("dimensions") or self.dimensions)
            packed = base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()
            value = packed if encoded else list(vector)
            data.append({"object": "embedding", "index": index, "embedding": value})
        tokens = sum(len(text.split()) for text in texts)
        usage = {"prompt_tokens": tokens, "total_tokens": tokens}
        return {"object": "list", "data": data, "model": body.get("model", ""), "usage": usage}


class _Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals to the process: pytest's Ctrl-C must stay pytest's."""
        yield


async def _read(receive: Receive) -> dict[str, Any]:
    body, more = b"", True
    while more:
        event = await receive()
        body += event.get("body", b"")
        more = event.get("more_body", False)
    return dict(json.loads(body)) if body else {}


async def _respond(send: Send, status: int, body: dict[str, Any], retry_after: str = "") -> None:
    await send(_start(status, b"application/json", retry_after))
    await send(_part(json.dumps(body).encode(), last=True))


async def _sleep_until(moment: float) -> None:
    # Counted from the start: a late token does not delay those after it.
    delay = moment - asyncio.get_running_loop().time()
    if delay > 0:
        await asyncio.sleep(delay)


def _start(status: int, content_type: bytes, retry_after: str = "") -> Asgi:
    headers = [(b"content-type", content_type)]
    if retry_after:
        headers.append((b"retry-after", retry_after.encode()))
    return {"type": "http.response.start", "status": status, "headers": headers}


def _part(data: bytes, last: bool = False) -> Asgi:
    return {"type": "http.response.body", "body": data, "more_body": not last}


async def _main() -> None:
    parser = argparse.ArgumentParser(description="A fake OpenAI-compatible server")
    parser.add_argument("--port", type=int, default=9999)
    parser.add_argument("--tokens", type=int, default=64)
    parser.add_argument("--first-token-ms", type=float, default=0)
    parser.add_argument("--interval-ms", type=float, default=20)
    parser.add_argument("--burst", type=int, default=1, help="tokens in one write")
    parser.add_argument("--chunk-text", default="tok{n} ", help="{n} counts the tokens from 0")
    options = vars(parser.parse_args())
    port = options.pop("port")
    async with FakeOpenAI(port, Script(**options)) as fake:
        print(f"LLM_BASE_URL={fake.base_url}", flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    import uvloop

    with suppress(KeyboardInterrupt):
        uvloop.run(_main())
