"""Messages of all kinds at a steady rate."""

import asyncio
import random

import httpx

from libs.runtime.ids import new_id
from tests.chaos.talk import Said, Talker

KINDS = {"whole": 3, "stream": 3, "drop": 3, "cancel": 1}
"""How often each kind is chosen: dropped streams are resumed, cancelled ones are left to end."""
CONTINUED = 0.3
"""Share of the messages that continue a conversation, also one that waits for an answer."""
WITH_KEY = 0.5
"""Share of the messages that have an Idempotency-Key."""
TWICE = 0.2
"""Share of those that are sent twice at once."""


class Load:
    """Sends messages while something goes on. `said` has all of them."""

    def __init__(
        self, http: httpx.AsyncClient, urls: list[str], key: str, agents: list[str], seed: int
    ) -> None:
        self._rng = random.Random(seed)
        self._talker = Talker(http, urls, key, random.Random(seed + 1))
        self._agents = agents
        self._conversations: list[tuple[str, str]] = []
        self.said: list[Said] = []

    async def run(self, meanwhile: asyncio.Task[None], rate: float) -> None:
        """Begin `rate` messages a second until that is done; return when all have ended."""
        async with asyncio.TaskGroup() as group:
            while not meanwhile.done():
                for said in self._next():
                    self.said.append(said)
                    group.create_task(self._say(said))
                await asyncio.sleep(self._rng.expovariate(rate))

    async def _say(self, said: Said) -> None:
        await self._talker.say(said)
        if said.conversation_id:
            self._conversations.append((said.agent_id, said.conversation_id))

    def _next(self) -> list[Said]:
        rng = self._rng
        kind = rng.choices(list(KINDS), list(KINDS.values()))[0]
        key = new_id("idem") if rng.random() < WITH_KEY else None
        agent_id, conversation_id = rng.choice(self._agents), None
        if self._conversations and rng.random() < CONTINUED:
            agent_id, conversation_id = rng.choice(self._conversations[-20:])
        question = f"What are your business hours on day {len(self.said)}?"
        twice = key is not None and rng.random() < TWICE
        return [
            Said(question, agent_id, kind, key, conversation_id=conversation_id)
            for _ in range(2 if twice else 1)
        ]
