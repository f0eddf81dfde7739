"""One client's message, through everything that may happen to it, and what the client ends up with.

Clients behave as documented: they go to another replica when one can't be reached, come back with
the id of their last event when a stream breaks, and send again under the same Idempotency-Key.
"""

import asyncio
import json
import random
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import httpx

PATIENCE = 150.0
"""Seconds after which a client gives up, which is a violation."""
PAUSE = 0.2
"""Seconds between two tries."""
LOST = (httpx.TransportError, httpx.StreamError)


@dataclass
class Said:
    """A message and its end as its client saw it.

    `end`: done, failed (visibly, after acceptance), refused (never accepted), cut (the connection
    broke and there was nothing to ask about again), or pending.
    """

    question: str
    agent_id: str
    kind: str
    key: str | None
    message_id: str | None = None
    conversation_id: str | None = None
    text: str = ""
    end: str = "pending"
    code: str = ""
    finish_reason: str = ""
    resumed: int = 0
    resets: int = 0
    seconds: float = 0.0
    first_text: float | None = None
    notes: list[str] = field(default_factory=list)


class Talker:
    """Sends messages with one key to any of the replicas."""

    def __init__(self, http: httpx.AsyncClient, urls: list[str], key: str, rng: random.Random):
        self._http = http
        self._urls = urls
        self._headers = {"Authorization": f"Bearer {key}"}
        self._rng = rng

    async def say(self, said: Said) -> None:
        """Bring one message to its end."""
        began = time.monotonic()
        try:
            async with asyncio.timeout(PATIENCE):
                if said.kind == "whole":
                    await self._whole(said)
                else:
                    await _Stream(self, said, began).run()
        except TimeoutError:
            said.notes.append(f"no end after {PATIENCE:.0f} s")
        said.seconds = time.monotonic() - began

    @property
    def url(self) -> str:
        """One of the replicas."""
        return self._rng.choice(self._urls)

    def chance(self, probability: float) -> bool:
        """Decide at random."""
        return self._rng.random() < probability

    async def _whole(self, said: Said) -> None:
        while said.end == "pending":
            try:
                response = await self._http.post(
                    f"{self.url}/v1/agents/{said.agent_id}/chat",
                    json=_body(said, stream=False),
                    headers=self.headers(said),
                )
            except httpx.ConnectError:
                await asyncio.sleep(PAUSE)  # nothing was sent: another replica takes it
                continue
            except LOST:
                if said.key is None:
                    said.end = "cut"
                await asyncio.sleep(PAUSE)
                continue
            await self._take(said, response)

    async def _take(self, said: Said, response: httpx.Response) -> None:
        said.message_id = response.headers.get("X-Message-Id", said.message_id)
        if response.status_code == 200:
            answer = response.json()
            said.message_id, said.conversation_id = answer["message_id"], answer["conversation_id"]
            said.text, said.finish_reason = answer["response"], answer["finish_reason"]
            said.end = "done"
        elif response.status_code == 409 and said.key:
            await asyncio.sleep(PAUSE)
        else:
            refuse(said, response)

    def headers(self, said: Said) -> dict[str, str]:
        """Return the headers of a message."""
        return self._headers | ({"Idempotency-Key": said.key} if said.key else {})

    def open(self, method: str, path: str, **options: Any) -> Any:
        """Open a stream on some replica."""
        headers = self._headers | options.pop("headers", {})
        return self._http.stream(method, self.url + path, headers=headers, **options)

    async def cancel(self, message_id: str) -> None:
        """Cancel an answer, trying until a replica has taken it."""
        while True:
            try:
                response = await self._http.post(
                    f"{self.url}/v1/messages/{message_id}/cancel", headers=self._headers
                )
            except LOST:
                await asyncio.sleep(PAUSE)
                continue
            if response.status_code < 500:
                return
            await asyncio.sleep(PAUSE)


class _Stream:
    """A streamed answer over as many connections as it takes."""

    def __init__(self, talker: Talker, said: Said, began: float) -> None:
        self._talker = talker
        self._said = said
        self._began = began
        self._last_id: str | None = None
        self._cancelled = False

    async def run(self) -> None:
        """Follow the answer to its end."""
        while self._said.end == "pending":
            try:
                await self._connect()
            except httpx.ConnectError:
                pass
            except LOST:
                if self._said.message_id is None and self._said.key is None:
                    self._said.end = "cut"
            if self._said.end == "pending":
                await asyncio.sleep(PAUSE)

    async def _connect(self) -> None:
        said = self._said
        if said.message_id is None:
            path, method = f"/v1/agents/{said.agent_id}/chat", "POST"
            options: dict[str, Any] = {
                "json": _body(said, stream=True),
                "headers": self._talker.headers(said),
            }
        else:
            path, method = f"/v1/messages/{said.message_id}/stream", "GET"
            options = {"headers": {"Last-Event-ID": self._last_id} if self._last_id else {}}
            said.resumed += 1
        async with self._talker.open(method, path, **options) as response:
            if response.status_code == 200:
                said.message_id = response.headers["X-Message-Id"]
                said.conversation_id = response.headers["X-Conversation-Id"]
                await self._read(response)
                return
            await response.aread()
            if method == "POST":
                refuse(said, response)
            elif response.status_code < 500:
                said.end, said.code = "lost", f"{response.status_code} {response.text[:80]}"

    async def _read(self, response: httpx.Response) -> None:
        async for event_id, name, data in _events(response):
            self._take(name, data)
            self._last_id = event_id
            if self._said.end != "pending":
                return
            if self._said.kind == "drop" and self._talker.chance(0.1):
                return  # the connection is closed, and taken up again
            if self._said.kind == "cancel" and not self._cancelled and self._talker.chance(0.1):
                self._cancelled = True
                await self._talker.cancel(str(self._said.message_id))

    def _take(self, name: str, data: dict[str, Any]) -> None:
        said = self._said
        match name:
            case "text":
                said.text += data["text"]
                if said.first_text is None:
                    said.first_text = time.monotonic() - self._began
            case "reset":
                said.text = ""
                said.resets += 1
            case "done":
                said.end, said.finish_reason = "done", data["finish_reason"]
            case "error":
                said.end, said.code = "failed", data["error"]["code"]


def refuse(said: Said, response: httpx.Response) -> None:
    """Note an error response. A 5xx may be a message that was accepted and then failed."""
    try:
        said.code = response.json()["error"]["code"]
    except (ValueError, KeyError, TypeError):
        said.notes.append(f"not the envelope: {response.status_code} {response.text[:80]}")
    said.end = "refused"


def _body(said: Said, *, stream: bool) -> dict[str, Any]:
    body: dict[str, Any] = {"message": said.question, "stream": stream}
    if said.message_id is None and said.conversation_id:
        body["conversation_id"] = said.conversation_id
    return body


async def _events(response: httpx.Response) -> AsyncIterator[tuple[str, str, dict[str, Any]]]:
    event_id = name = ""
    async for line in response.aiter_lines():
        match line.partition(": "):
            case ("id", _, value):
                event_id = value
            case ("event", _, value):
                name = value
            case ("data", _, value):
                yield event_id, name, json.loads(value)
