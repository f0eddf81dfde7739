"""Agents: who answers."""

from datetime import datetime
from typing import Any

import msgspec

from libs.runtime.clock import now
from libs.runtime.documents import from_document, page_of, reader, to_document
from libs.runtime.ids import new_id
from libs.runtime.mongo import Collection, Database


class Agent(msgspec.Struct, frozen=True, kw_only=True):
    """An agent. None stands for the server's setting, see services/api/manage/agents.py."""

    id: str
    account_id: str
    name: str
    instructions: str
    model: str | None
    fallback_models: tuple[str, ...] = ()
    temperature: float | None = None
    max_tokens: int | None = None
    language: str | None = None
    answer_threshold: float | None = None
    no_answer_text: str | None = None
    suggestions: int = 3
    cancel_on_disconnect: bool = False
    created_at: datetime
    updated_at: datetime


class Agents:
    """The `agents` collection."""

    def __init__(self, database: Database) -> None:
        self._agents: Collection = database["agents"]

    async def create_indexes(self) -> None:
        """Create what the queries need; safe to repeat."""
        await self._agents.create_index([("account_id", 1), ("_id", -1)])

    async def create(self, account_id: str, settings: dict[str, Any]) -> Agent:
        """Store a new agent; `settings` are the fields that its owner chose."""
        moment = now()
        agent = Agent(
            id=new_id("agent"),
            account_id=account_id,
            created_at=moment,
            updated_at=moment,
            **settings,
        )
        await self._agents.insert_one(to_document(agent))
        return agent

    async def get(self, agent_id: str) -> Agent | None:
        """Return the agent, None when there is none."""
        document = await self._agents.find_one({"_id": agent_id})
        return from_document(document, Agent) if document else None

    async def page(
        self, account_id: str, cursor: str | None, limit: int, most_bytes: int
    ) -> tuple[list[Agent], str | None]:
        """Return an account's agents, newest first, and the next cursor; see page_of()."""
        return await page_of(
            self._agents,
            {"account_id": account_id},
            reader(Agent),
            cursor=cursor,
            limit=limit,
            most_bytes=most_bytes,
        )

    async def count(self, account_id: str, limit: int, *, before: str | None = None) -> int:
        """Count an account's agents, up to `limit`; those made before one of them."""
        query: dict[str, Any] = {"account_id": account_id}
        if before is not None:
            query["_id"] = {"$lt": before}
        return await self._agents.count_documents(query, limit=limit)

    async def update(self, agent_id: str, changes: dict[str, Any]) -> bool:
        """Change fields. False when there is no such agent."""
        changes = {**changes, "updated_at": now()}
        result = await self._agents.update_one({"_id": agent_id}, {"$set": changes})
        return bool(result.matched_count)

    async def delete(self, agent_id: str) -> bool:
        """Remove an agent. False when there was none."""
        result = await self._agents.delete_one({"_id": agent_id})
        return bool(result.deleted_count)
