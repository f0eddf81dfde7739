"""What webhooks does about an event: a deleted agent is forgotten, the rest is offered."""

from libs.bus.bus import Bus
from libs.bus.queues import Delivered
from libs.contracts.events import AgentDeleted, AnyEvent
from services.webhooks.endpoints.known import KnownEndpoints
from services.webhooks.forgetting import AgentCleanup
from services.webhooks.sending.fan_out import fan_out


class Happenings:
    """Handles the event log."""

    def __init__(self, bus: Bus, agents: AgentCleanup, directory: KnownEndpoints) -> None:
        self._bus = bus
        self._agents = agents
        self._directory = directory

    async def happened(self, delivered: Delivered[AnyEvent]) -> None:
        """Handle one event. Raises ServiceUnavailable when a delivery is not safe."""
        match delivered.message:
            case AgentDeleted(agent_id=agent_id):
                await self._agents.deleted(agent_id)
            case event:
                await fan_out(event, self._directory, self._bus)
