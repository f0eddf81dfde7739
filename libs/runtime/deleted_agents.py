"""The agents that were deleted lately, as one service remembers them: deleting wins.

What was under way when an agent was deleted may write something of it afterwards. So the deletion
is noted first, and whoever writes looks here after the write, to take it back: either the deletion
sees what was written, or the writer sees the deletion. For a writer that died in between, a sweep
removes everything of these agents again.
"""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import timedelta

from libs.runtime.clock import now
from libs.runtime.group_commit import GroupCommit
from libs.runtime.mongo import Collection, Database

REMEMBERED = timedelta(days=7)
"""Longer than the event log, and with it any work, lasts."""
LATE = timedelta(hours=1)
"""For how long after a deletion something of the agent may still be written."""
ASKED_EVERY = 0.05
"""Seconds between two questions under load: there is one after each write."""
SWEEP_EVERY = 300.0
"""Seconds between two sweeps."""


class DeletedAgents:
    """The collection `<service>_deleted_agents`."""

    def __init__(self, database: Database, service: str) -> None:
        self._agents: Collection = database[f"{service}_deleted_agents"]
        self._asking: GroupCommit[str, bool] = GroupCommit(self._has_group, interval=ASKED_EVERY)

    async def create_indexes(self) -> None:
        """Create what the queries need; safe to repeat."""
        await self._agents.create_index(
            [("at", 1)], expireAfterSeconds=int(REMEMBERED.total_seconds())
        )

    async def add(self, agent_id: str) -> None:
        """Note that an agent is deleted, before anything of it is removed; again, it stays so."""
        noted = {"$setOnInsert": {"at": now()}}
        await self._agents.update_one({"_id": agent_id}, noted, upsert=True)

    async def has(self, agent_id: str) -> bool:
        """Say whether an agent was deleted lately."""
        return await self._asking.add(agent_id)

    async def among(self, agent_ids: Iterable[str]) -> set[str]:
        """Return which of these agents were deleted lately."""
        found = self._agents.find({"_id": {"$in": list(set(agent_ids))}}, {"_id": 1})
        return {document["_id"] async for document in found}

    async def _has_group(self, agent_ids: list[str]) -> Sequence[bool]:
        deleted = await self.among(agent_ids)
        return [agent_id in deleted for agent_id in agent_ids]

    async def sweep(self, forget: Callable[[str], Awaitable[object]]) -> None:
        """Forget again what may have been written of an agent since it was deleted."""
        found = self._agents.find({"at": {"$gt": now() - LATE}}, {"_id": 1})
        for document in await found.to_list(None):
            await forget(document["_id"])
