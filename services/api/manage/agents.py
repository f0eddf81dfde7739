"""/v1/agents: create, list, get, update, delete."""

from datetime import datetime
from typing import Annotated, Any

import msgspec
from litestar import Request, delete, get, patch, post

from libs.bus.bus import Bus
from libs.contracts.events import AgentDeleted
from libs.runtime.clock import now
from services.api.edge.auth import Caller
from services.api.edge.known import KnownCallers
from services.api.edge.own_agent import find_agent
from services.api.http.errors import Conflict, InvalidRequest
from services.api.http.paging import DEFAULT_LIMIT, Cursor, Limit, Page, page
from services.api.http.ranges import LARGEST
from services.api.manage.creations import Creations
from services.api.settings import ApiSettings
from services.api.store.agents import Agent, Agents

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=100)]
Instructions = Annotated[
    str, msgspec.Meta(max_length=8_000, description="Who the agent is and how it speaks")
]
ModelName = Annotated[str, msgspec.Meta(min_length=1, max_length=100, pattern=r"\S")]
Model = Annotated[ModelName, msgspec.Meta(description="Null: the server's default")]
FallbackModels = Annotated[
    tuple[ModelName, ...],
    msgspec.Meta(
        max_length=3,
        description="Asked in this order when the model fails before its first word",
        extra_json_schema={"uniqueItems": True},
    ),
]
Temperature = Annotated[
    float, msgspec.Meta(ge=0, le=2, description="Null: the model server's default")
]
MaxTokens = Annotated[
    int,
    msgspec.Meta(
        ge=1, le=LARGEST, description="Null: LLM_MAX_TOKENS, which more than that counts as"
    ),
]
Language = Annotated[
    str,
    msgspec.Meta(
        max_length=50,
        # It becomes part of a sentence in the prompt.
        pattern=r"^[^\W\d_][\w ()'-]*$",
        description="Name or tag of the language of all answers; null: the question's",
    ),
]
AnswerThreshold = Annotated[
    float,
    msgspec.Meta(
        ge=0, le=1, description="Confidence below which it does not know; null: ANSWER_THRESHOLD"
    ),
]
NoAnswerText = Annotated[
    str,
    msgspec.Meta(
        min_length=1,
        max_length=1_000,
        pattern=r"\S",
        description="What it says then, word for word; null: NO_ANSWER_TEXT",
    ),
]
Suggestions = Annotated[
    int, msgspec.Meta(ge=0, le=5, description="Follow-up questions suggested with an answer")
]
CancelOnDisconnect = Annotated[
    bool, msgspec.Meta(description="Cancel an answer whose client has gone")
]


class CreateAgent(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A new agent."""

    name: Name
    instructions: Instructions = ""
    model: Model | None = None
    fallback_models: FallbackModels = ()
    temperature: Temperature | None = None
    max_tokens: MaxTokens | None = None
    language: Language | None = None
    answer_threshold: AnswerThreshold | None = None
    no_answer_text: NoAnswerText | None = None
    suggestions: Suggestions = 3
    cancel_on_disconnect: CancelOnDisconnect = False


class UpdateAgent(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What to change; what is left out stays."""

    name: Name | msgspec.UnsetType = msgspec.UNSET
    instructions: Instructions | msgspec.UnsetType = msgspec.UNSET
    model: Model | msgspec.UnsetType | None = msgspec.UNSET
    fallback_models: FallbackModels | msgspec.UnsetType = msgspec.UNSET
    temperature: Temperature | msgspec.UnsetType | None = msgspec.UNSET
    max_tokens: MaxTokens | msgspec.UnsetType | None = msgspec.UNSET
    language: Language | msgspec.UnsetType | None = msgspec.UNSET
    answer_threshold: AnswerThreshold | msgspec.UnsetType | None = msgspec.UNSET
    no_answer_text: NoAnswerText | msgspec.UnsetType | None = msgspec.UNSET
    suggestions: Suggestions | msgspec.UnsetType = msgspec.UNSET
    cancel_on_disconnect: CancelOnDisconnect | msgspec.UnsetType = msgspec.UNSET


class AgentView(msgspec.Struct, kw_only=True):
    """An agent."""

    id: str
    name: str
    instructions: str
    model: str | None
    fallback_models: tuple[str, ...]
    temperature: float | None
    max_tokens: int | None
    language: str | None
    answer_threshold: float | None
    no_answer_text: str | None
    suggestions: int
    cancel_on_disconnect: bool
    created_at: datetime
    updated_at: datetime


@post("/v1/agents", summary="Create an agent", tags=["Agents"])
async def create_agent(
    data: CreateAgent,
    request: Request[Caller, str, Any],
    agents: Agents,
    settings: ApiSettings,
    creations: Creations,
) -> AgentView:
    """Create an agent. It answers once it has sources."""
    request.user.require_account_key()
    account_id = request.user.account.id
    most = settings.agents_per_account
    if await agents.count(account_id, most) >= most:
        raise Conflict(f"An account has at most {most} agents.")
    given = _checked(data)
    await creations.count(account_id)
    made = await agents.create(account_id, given)
    if await agents.count(account_id, most, before=made.id) >= most:  # others came at the same time
        await agents.delete(made.id)
        raise Conflict(f"An account has at most {most} agents.")
    return view(made)


@get("/v1/agents", summary="List agents", tags=["Agents"])
async def list_agents(
    request: Request[Caller, str, Any],
    agents: Agents,
    settings: ApiSettings,
    cursor: Cursor = None,
    limit: Limit = DEFAULT_LIMIT,
) -> Page[AgentView]:
    """List agents, newest first."""
    request.user.require_account_key()
    found, next_cursor = await agents.page(
        request.user.account.id, cursor, limit, settings.max_response_bytes
    )
    return page([view(agent) for agent in found], next_cursor)


@get("/v1/agents/{agent_id:str}", summary="Get an agent", tags=["Agents"])
async def get_agent(agent: Agent) -> AgentView:
    """Get one agent."""
    return view(agent)


@patch("/v1/agents/{agent_id:str}", summary="Update an agent", tags=["Agents"])
async def update_agent(
    agent: Agent,
    data: UpdateAgent,
    request: Request[Caller, str, Any],
    agents: Agents,
    directory: KnownCallers,
) -> AgentView:
    """Change an agent. The next message gets the new settings, on every replica."""
    await agents.update(agent.id, _checked(data))
    await directory.changed(agent.id)
    return view(await find_agent(directory, request.user, agent.id))


@delete("/v1/agents/{agent_id:str}", summary="Delete an agent", tags=["Agents"])
async def delete_agent(
    agent: Agent,
    agents: Agents,
    directory: KnownCallers,
    bus: Bus,
) -> None:
    """Delete an agent with its sources, keys, webhooks and conversations."""
    # The event first: when the process dies between the two, repeating the request finishes it.
    await bus.emit(
        AgentDeleted(
            event_id=f"evt_deleted_{agent.id}",
            account_id=agent.account_id,
            agent_id=agent.id,
            at=now(),
        )
    )
    await agents.delete(agent.id)
    await directory.changed(agent.id)


def _checked(data: CreateAgent | UpdateAgent) -> dict[str, Any]:
    """Return what is given, models without blanks around them. Raises InvalidRequest."""
    given = {
        name: value
        for name, value in msgspec.structs.asdict(data).items()
        if value is not msgspec.UNSET
    }
    if given.get("model"):
        given["model"] = given["model"].strip()
    if models := given.get("fallback_models"):
        given["fallback_models"] = models = tuple(model.strip() for model in models)
        if len(set(models)) < len(models):
            raise InvalidRequest("fallback_models names a model twice.", param="fallback_models")
    return given


def view(agent: Agent) -> AgentView:
    """Return what the API shows of an agent."""
    return msgspec.convert(agent, AgentView, from_attributes=True)
