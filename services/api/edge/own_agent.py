"""The agent in a request's path: the caller's own, or a 404."""

from typing import Any

from litestar import Request

from services.api.edge.auth import Caller
from services.api.edge.known import KnownCallers
from services.api.http.errors import NotFound
from services.api.store.agents import Agent


async def find_agent(directory: KnownCallers, caller: Caller, agent_id: str) -> Agent:
    """Return an agent that the caller may use. Raises NotFound for all others."""
    agent = await directory.agent(agent_id)
    if agent is None or agent.account_id != caller.account.id or not caller.may_use(agent_id):
        raise NotFound("agent")
    return agent


async def managed_agent(
    agent_id: str, request: Request[Caller, str, Any], directory: KnownCallers
) -> Agent:
    """Return the agent of a management path, which needs a secret key. A Litestar dependency."""
    request.user.require_secret()
    return await find_agent(directory, request.user, agent_id)
