"""Mongo: the endpoints.

The signing secret is kept readable, because every delivery is signed with it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from libs.runtime.deleted_agents import DeletedAgents
from libs.runtime.documents import from_document, to_document
from libs.runtime.mongo import Collection, Database


@dataclass(frozen=True, kw_only=True)
class StoredEndpoint:
    """An endpoint as it is kept.

    `disabled`: it is not called any more, for `disabled_reason`; `told`: its owner's other
    endpoints were told so. `old_secret` signs as well until `old_secret_until`.
    `failing_since`: the first failure after which nothing succeeded, None when the last attempt
    did.
    """

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
    disabled_reason: str = ""
    disabled_at: datetime | None = None
    told: bool = True
    paused: bool = False
    failing_since: datetime | None = None
    old_secret: str = ""
    old_secret_until: datetime | None = None

    def old_secret_at(self, moment: datetime) -> str:
        """Return the secret before the last rotation while it still signs, else nothing."""
        until = self.old_secret_until
        return self.old_secret if until is not None and until > moment else ""

    def __repr__(self) -> str:
        """Keep the secret and the headers out of logs and tracebacks."""
        return f"StoredEndpoint({self.id!r})"


class EndpointStore:
    """The collection `webhook_endpoints`."""

    def __init__(self, database: Database) -> None:
        self._endpoints: Collection = database["webhook_endpoints"]
        self._deleted_agents = DeletedAgents(database, "webhooks")

    async def create_indexes(self) -> None:
        """Create the indexes; harmless when they are there."""
        await self._endpoints.create_index([("agent_id", 1), ("_id", -1)])
        await self._endpoints.create_index([("account_id", 1), ("_id", -1)])

    async def add(self, endpoint: StoredEndpoint) -> None:
        """Store a new endpoint."""
        await self._endpoints.insert_one(to_document(endpoint))

    async def took_back(self, endpoint: StoredEndpoint) -> bool:
        """Remove a new endpoint whose agent was deleted meanwhile; False when that is not so."""
        if not await self._deleted_agents.has(endpoint.agent_id):
            return False
        await self._endpoints.delete_one({"_id": endpoint.id})
        return True

    async def get(self, agent_id: str, endpoint_id: str) -> StoredEndpoint | None:
        """Return an endpoint of an agent as it is now, None when there is none."""
        document = await self._endpoints.find_one({"_id": endpoint_id, "agent_id": agent_id})
        return from_document(document, StoredEndpoint) if document else None

    async def of_agent(self, agent_id: str) -> tuple[StoredEndpoint, ...]:
        """Return all endpoints of an agent, newest first."""
        found = self._endpoints.find({"agent_id": agent_id}).sort("_id", -1)
        return tuple([from_document(document, StoredEndpoint) async for document in found])

    async def of_account(self, account_id: str) -> tuple[StoredEndpoint, ...]:
        """Return the endpoints of all agents of an account."""
        found = self._endpoints.find({"account_id": account_id}).sort("_id", -1)
        return tuple([from_document(document, StoredEndpoint) async for document in found])

    async def change(
        self, endpoint: StoredEndpoint, changes: Mapping[str, Any], **only_if: Any
    ) -> bool:
        """Set fields of an endpoint, if it still has these values. False when nothing changed."""
        known = {"_id": endpoint.id, "agent_id": endpoint.agent_id, **only_if}
        result = await self._endpoints.update_one(known, {"$set": dict(changes)})
        return result.modified_count == 1

    async def delete(self, agent_id: str, endpoint_id: str) -> bool:
        """Remove an endpoint. False when the agent has none of this id."""
        result = await self._endpoints.delete_one({"_id": endpoint_id, "agent_id": agent_id})
        return result.deleted_count == 1

    async def delete_of_agent(self, agent_id: str) -> None:
        """Remove all endpoints of an agent."""
        await self._endpoints.delete_many({"agent_id": agent_id})


def kept_headers(headers: tuple[tuple[str, str], ...]) -> list[list[str]]:
    """Return headers as they are stored.

    As pairs, because header names may contain dots, which mean something in Mongo's keys.
    """
    return [list(header) for header in headers]
