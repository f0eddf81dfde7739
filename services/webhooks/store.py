"""Mongo: the endpoints.

The signing secret is kept readable, because every delivery is signed with it.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from libs.runtime.mongo import Database


@dataclass(frozen=True, kw_only=True)
class StoredEndpoint:
    """An endpoint as it is kept. `disabled`: its receiver asked not to be called any more."""

    id: str
    account_id: str
    agent_id: str
    name: str
    url: str
    events: tuple[str, ...]
    description: str
    headers: tuple[tuple[str, str], ...]
    secret: str
    created_at: datetime
    disabled: bool = False

    def __repr__(self) -> str:
        """Keep the secret and the headers out of logs and tracebacks."""
        return f"StoredEndpoint({self.id!r})"


class EndpointStore:
    """The collection `webhook_endpoints`."""

    def __init__(self, database: Database) -> None:
        self._endpoints = database["webhook_endpoints"]

    async def create_indexes(self) -> None:
        """Create the indexes; harmless when they are there."""
        await self._endpoints.create_index([("agent_id", 1), ("_id", -1)])

    async def add(self, endpoint: StoredEndpoint) -> None:
        """Store a new endpoint."""
        await self._endpoints.insert_one(_document(endpoint))

    async def of_agent(self, agent_id: str) -> tuple[StoredEndpoint, ...]:
        """Return all endpoints of an agent, newest first."""
        found = self._endpoints.find({"agent_id": agent_id}).sort("_id", -1)
        return tuple([_endpoint(document) async for document in found])

    async def disable(self, agent_id: str, endpoint_id: str) -> None:
        """Mark an endpoint as not to be called any more."""
        await self._endpoints.update_one(
            {"_id": endpoint_id, "agent_id": agent_id}, {"$set": {"disabled": True}}
        )

    async def delete(self, agent_id: str, endpoint_id: str) -> bool:
        """Remove an endpoint. False when the agent has none of this id."""
        result = await self._endpoints.delete_one({"_id": endpoint_id, "agent_id": agent_id})
        return result.deleted_count == 1

    async def delete_of_agent(self, agent_id: str) -> None:
        """Remove all endpoints of an agent."""
        await self._endpoints.delete_many({"agent_id": agent_id})


def _document(endpoint: StoredEndpoint) -> dict[str, Any]:
    return {
        "_id": endpoint.id,
        "account_id": endpoint.account_id,
        "agent_id": endpoint.agent_id,
        "name": endpoint.name,
        "url": endpoint.url,
        "events": list(endpoint.events),
        "description": endpoint.description,
        # Pairs, because header names may contain dots, which mean something in Mongo's keys.
        "headers": [list(header) for header in endpoint.headers],
        "secret": endpoint.secret,
        "created_at": endpoint.created_at,
        "disabled": endpoint.disabled,
    }


def _endpoint(document: dict[str, Any]) -> StoredEndpoint:
    return StoredEndpoint(
        id=document["_id"],
        account_id=document["account_id"],
        agent_id=document["agent_id"],
        name=document["name"],
        url=document["url"],
        events=tuple(document["events"]),
        description=document["description"],
        headers=tuple((name, value) for name, value in document["headers"]),
        secret=document["secret"],
        created_at=document["created_at"],
        disabled=document.get("disabled", False),
    )
