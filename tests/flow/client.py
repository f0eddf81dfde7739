"""A client of the API as its documentation describes it."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.waiting import eventually

HOURS = {
    "type": "qa",
    "title": "Business Hours",
    "question": "What are your business hours?",
    "answer": "We're open Monday-Saturday, 9AM to 6PM. Closed on Sundays and holidays!",
}


class Refused(AssertionError):
    """A stream was asked for and the response is an error."""

    def __init__(self, response: httpx.Response, body: bytes) -> None:
        super().__init__(f"{response.status_code}: {body.decode()}")
        self.response = response


@dataclass
class Streamed:
    """A streamed answer: the events as they came, their ids, and the response's headers."""

    headers: httpx.Headers
    events: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)

    @property
    def names(self) -> list[str]:
        """The events' names, in order."""
        return [name for name, _ in self.events]

    @property
    def text(self) -> str:
        """The text that the client is left with."""
        text = ""
        for name, data in self.events:
            if name == "text":
                text += data["text"]
            elif name == "reset":
                text = ""
        return text

    @property
    def last(self) -> dict[str, Any]:
        """The data of the last event."""
        return self.events[-1][1]


class Client:
    """Calls the API with one key."""

    def __init__(self, http: httpx.AsyncClient, key: str) -> None:
        self.http = http
        self.key = key
        self._headers = {"Authorization": f"Bearer {key}"}

    async def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Make any request."""
        headers = self._headers | options.pop("headers", {})
        return await self.http.request(method, path, headers=headers, **options)

    async def get(self, path: str, **options: Any) -> Any:
        """GET a path that must answer 200; return its JSON."""
        response = await self.request("GET", path, **options)
        assert response.status_code == 200, response.text
        return response.json()

    async def post(self, path: str, body: Any, **options: Any) -> Any:
        """POST to a path that must answer 2xx; return its JSON."""
        response = await self.request("POST", path, json=body, **options)
        assert response.is_success, response.text
        return response.json()

    async def agent(self, *sources: dict[str, Any], **fields: Any) -> str:
        """Create an agent with sources that are ready; return its id."""
        agent = await self.post("/v1/agents", {"name": "Shop"} | fields)
        await self.agent_source(str(agent["id"]), *sources)
        return str(agent["id"])

    async def agent_source(self, agent_id: str, *sources: dict[str, Any]) -> None:
        """Add sources to an agent; they are ready when this returns."""
        path = f"/v1/agents/{agent_id}/sources"
        for source in sources:
            await self.post(path, source)

        async def all_ready() -> bool:
            listed = await self.get(path)
            return all(source["status"] == "ready" for source in listed["items"])

        await eventually(all_ready)

    async def chat(self, agent_id: str, message: str, **fields: Any) -> Any:
        """Send a message; return the whole answer's JSON."""
        return await self.post(f"/v1/agents/{agent_id}/chat", {"message": message} | fields)

    async def stream(
        self,
        agent_id: str,
        message: str,
        *,
        key: str | None = None,
        visitor: str | None = None,
        **fields: Any,
    ) -> Streamed:
        """Send a message; return the streamed answer when it has ended."""
        async with self.streaming(agent_id, message, key=key, visitor=visitor, **fields) as (
            streamed,
            events,
        ):
            async for event in events:
                streamed.events.append(event)
        return streamed

    @asynccontextmanager
    async def streaming(
        self,
        agent_id: str,
        message: str,
        *,
        key: str | None = None,
        visitor: str | None = None,
        **fields: Any,
    ) -> AsyncIterator[tuple[Streamed, AsyncIterator[tuple[str, dict[str, Any]]]]]:
        """Send a message, with an Idempotency-Key and a visitor's token if given.

        Hands over the stream while it runs.
        """
        given = {"Idempotency-Key": key, "X-Visitor-Token": visitor}
        async with self.http.stream(
            "POST",
            f"/v1/agents/{agent_id}/chat",
            json={"message": message, "stream": True} | fields,
            headers=self._headers | {name: value for name, value in given.items() if value},
        ) as response:
            if response.status_code != 200:
                raise Refused(response, await response.aread())
            streamed = Streamed(response.headers)
            yield streamed, _events(response, streamed)

    @asynccontextmanager
    async def resuming(
        self, message_id: str, last_event_id: str | None = None, url: str = ""
    ) -> AsyncIterator[tuple[Streamed, AsyncIterator[tuple[str, dict[str, Any]]]]]:
        """Take up the stream of an answer after an event; hand it over while it runs."""
        async with self.http.stream(
            "GET",
            f"{url}/v1/messages/{message_id}/stream",
            headers=self._headers | ({"Last-Event-ID": last_event_id} if last_event_id else {}),
        ) as response:
            assert response.status_code == 200, await response.aread()
            streamed = Streamed(response.headers)
            yield streamed, _events(response, streamed)

    async def resume(self, message_id: str, last_event_id: str | None = None) -> Streamed:
        """Take up the stream of an answer; return it when it has ended."""
        async with self.resuming(message_id, last_event_id) as (streamed, events):
            async for event in events:
                streamed.events.append(event)
        return streamed


async def _events(
    response: httpx.Response, streamed: Streamed
) -> AsyncIterator[tuple[str, dict[str, Any]]]:
    name = ""
    async for line in response.aiter_lines():
        if line.startswith("id: "):
            streamed.ids.append(line.removeprefix("id: "))
        elif line.startswith("event: "):
            name = line.removeprefix("event: ")
        elif line.startswith("data: "):
            yield name, json.loads(line.removeprefix("data: "))
