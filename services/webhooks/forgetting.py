"""What goes with a deleted agent."""

from libs.runtime.deleted_agents import DeletedAgents
from services.webhooks.endpoints.calls import EndpointCalls
from services.webhooks.endpoints.store import EndpointStore
from services.webhooks.sending.log import DeliveryLog


class AgentCleanup:
    """Handles the end of agents."""

    def __init__(
        self,
        deleted: DeletedAgents,
        store: EndpointStore,
        log: DeliveryLog,
        endpoints: EndpointCalls,
    ) -> None:
        self._deleted = deleted
        self._store = store
        self._log = log
        self._endpoints = endpoints

    async def deleted(self, agent_id: str) -> None:
        """Forget an agent, and whatever is still written of it from now on."""
        await self._deleted.add(agent_id)
        await self.forget(agent_id)

    async def forget(self, agent_id: str) -> None:
        """Remove the endpoints of an agent and what is logged of them; again, nothing is there."""
        await self._log.forget(agent_id)
        await self._store.delete_of_agent(agent_id)
        await self._endpoints.changed(agent_id)
