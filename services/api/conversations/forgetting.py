"""What goes with a deleted agent: its keys and all that was said to it."""

from libs.bus.queues import Delivered
from libs.contracts.events import AgentDeleted
from libs.runtime.deleted_agents import DeletedAgents
from services.api.edge.known import KnownCallers
from services.api.store.agents import Agents
from services.api.store.conversations import Conversations
from services.api.store.keys import Keys


class Forgetting:
    """Removes what api keeps of agents. Removing again removes nothing."""

    def __init__(
        self,
        deleted: DeletedAgents,
        directory: KnownCallers,
        agents: Agents,
        keys: Keys,
        conversations: Conversations,
    ) -> None:
        self._deleted = deleted
        self._directory = directory
        self._agents = agents
        self._keys = keys
        self._conversations = conversations

    async def agent_deleted(self, delivered: Delivered[AgentDeleted]) -> None:
        """Forget an agent, and whatever is still written of it from now on."""
        agent_id = delivered.message.agent_id
        await self._deleted.add(agent_id)
        # Whoever deleted it may have died before it did this.
        await self._agents.delete(agent_id)
        await self._directory.changed(agent_id)
        await self.forget(agent_id)

    async def forget(self, agent_id: str) -> None:
        """Remove what there is of an agent."""
        await self._keys.revoke_all(agent_id)
        await self._conversations.delete_agent(agent_id)
