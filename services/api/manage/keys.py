"""/v1/agents/{agent_id}/keys: create, list, rotate, revoke."""

from datetime import datetime, timedelta
from typing import Annotated

import msgspec
from litestar import delete, get, post

from libs.runtime.clock import now
from services.api.edge.known import ORIGIN, KnownCallers
from services.api.http.errors import Conflict, InvalidRequest, NotFound
from services.api.http.paging import MOST_A_PAGE, Cursor, Limit, Page, page
from services.api.http.ranges import check_moment
from services.api.manage.creations import Creations
from services.api.settings import ApiSettings
from services.api.store.agents import Agent
from services.api.store.keys import Key, Keys, KeyType

DAY = 24 * 60 * 60


class CreateKey(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A new key of an agent.

    `allowed_origins` are the origins (scheme, host and port) of the web pages that may use a
    publishable key; `*` allows all, and programs as well.
    """

    type: KeyType
    name: Annotated[str, msgspec.Meta(max_length=100)] = ""
    allowed_origins: list[Annotated[str, msgspec.Meta(max_length=255)]] = []
    expires_at: Annotated[
        Annotated[datetime, msgspec.Meta(tz=True)] | None,
        msgspec.Meta(description="When it stops to work; null: when it is revoked"),
    ] = None


class RotateKey(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """How to replace a key."""

    overlap_seconds: Annotated[
        int,
        msgspec.Meta(ge=0, le=30 * DAY, description="For how long the old key works beside it"),
    ] = DAY


class KeyView(msgspec.Struct, kw_only=True):
    """A key, without its secret."""

    id: str
    type: KeyType
    name: str
    key_prefix: str
    allowed_origins: tuple[str, ...]
    is_active: bool
    expires_at: datetime | None
    replaced_by: str | None
    created_at: datetime
    last_used_at: datetime | None
    total_requests: int


class CreatedKey(KeyView, kw_only=True):
    """A new key with its secret, which is never shown again."""

    key: str


@post("/v1/agents/{agent_id:str}/keys", summary="Create a key", tags=["Keys"])
async def create_key(
    agent: Agent,
    data: CreateKey,
    directory: KnownCallers,
    keys: Keys,
    settings: ApiSettings,
    creations: Creations,
) -> CreatedKey:
    """Create a key of this agent. `key` is shown this one time."""
    origins = check_origins(data, settings.origins_per_key)
    check_moment(data.expires_at, "expires_at")
    if data.expires_at is not None and data.expires_at <= now():
        raise InvalidRequest("expires_at must be in the future.", param="expires_at")
    await _check_room(agent, keys, settings)
    await creations.count(agent.account_id)
    key, secret = await keys.create(
        agent.account_id, agent.id, data.type, data.name, origins, expires_at=data.expires_at
    )
    if await keys.took_back(key):
        raise NotFound("agent")
    await _check_place(agent, key, keys, settings)
    await directory.changed(agent.id)  # its origins may be new to the other processes
    return CreatedKey(key=secret, **msgspec.structs.asdict(view(key)))


@get("/v1/agents/{agent_id:str}/keys", summary="List keys", tags=["Keys"])
async def list_keys(
    agent: Agent,
    keys: Keys,
    settings: ApiSettings,
    cursor: Cursor = None,
    limit: Limit = MOST_A_PAGE,
) -> Page[KeyView]:
    """List the keys of this agent, newest first, masked."""
    found, next_cursor = await keys.page(agent.id, cursor, limit, settings.max_response_bytes)
    return page([view(key) for key in found], next_cursor)


@post("/v1/agents/{agent_id:str}/keys/{key_id:str}/rotate", summary="Rotate a key", tags=["Keys"])
async def rotate_key(
    agent: Agent,
    key_id: str,
    data: RotateKey,
    directory: KnownCallers,
    keys: Keys,
    settings: ApiSettings,
    creations: Creations,
) -> CreatedKey:
    """Replace a key by a new one of the same kind; both work for `overlap_seconds`.

    They share one rate limit. A key that expires gets one that lives as long as it was made to.
    A key that was replaced before is a conflict: rotate its replacement.
    """
    old = await keys.get(agent.id, key_id)
    if old is None:
        raise NotFound("key")
    if not old.active:
        raise Conflict("This key has expired. Create a new one.")
    if data.overlap_seconds:  # else the new one takes the old one's place
        await _check_room(agent, keys, settings)
    await creations.count(agent.account_id)
    rotated = await keys.rotate(old, timedelta(seconds=data.overlap_seconds))
    if rotated is None:
        raise Conflict("This key was replaced already. Rotate the one that replaced it.")
    await directory.changed(key_id)
    key, secret = rotated
    if await keys.took_back(key):
        raise NotFound("agent")
    if data.overlap_seconds:
        await _check_place(agent, key, keys, settings)
    return CreatedKey(key=secret, **msgspec.structs.asdict(view(key)))


@delete("/v1/agents/{agent_id:str}/keys/{key_id:str}", summary="Revoke a key", tags=["Keys"])
async def revoke_key(agent: Agent, key_id: str, directory: KnownCallers, keys: Keys) -> None:
    """Revoke a key; no request with it is accepted any more, on any replica."""
    if not await keys.revoke(agent.id, key_id):
        raise NotFound("key")
    await directory.changed(key_id)


async def _check_room(agent: Agent, keys: Keys, settings: ApiSettings) -> None:
    active = [key for key in await keys.of_agent(agent.id) if key.active]
    if len(active) >= settings.keys_per_agent:
        raise _full(settings)


async def _check_place(agent: Agent, made: Key, keys: Keys, settings: ApiSettings) -> None:
    """Take a new key back for which there was no room: others were made at the same time."""
    active = sorted(key.id for key in await keys.of_agent(agent.id) if key.active)
    if made.id not in active[: settings.keys_per_agent]:
        await keys.revoke(agent.id, made.id)
        raise _full(settings)


def _full(settings: ApiSettings) -> Conflict:
    return Conflict(f"An agent has at most {settings.keys_per_agent} keys. Revoke one first.")


def check_origins(data: CreateKey, most: int) -> tuple[str, ...]:
    """Return the origins in the form that browsers send. Raises InvalidRequest."""
    if data.type == "secret" and data.allowed_origins:
        raise InvalidRequest("Only a publishable key has origins.", param="allowed_origins")
    if data.type == "publishable" and not data.allowed_origins:
        raise InvalidRequest(
            'A publishable key needs the origins of its pages, or ["*"].', param="allowed_origins"
        )
    if len(data.allowed_origins) > most:
        raise InvalidRequest(f"A key has at most {most} origins.", param="allowed_origins")
    origins = tuple(origin.rstrip("/").lower() for origin in data.allowed_origins)
    for origin in origins:
        if origin != "*" and not ORIGIN.fullmatch(origin):
            raise InvalidRequest(
                f"{origin!r} is not an origin such as https://shop.example.",
                param="allowed_origins",
            )
    return origins


def view(key: Key) -> KeyView:
    """Return what the API shows of a key."""
    return KeyView(
        id=key.id,
        type=key.type,
        name=key.name,
        key_prefix=key.key_prefix,
        allowed_origins=key.allowed_origins,
        is_active=key.active,
        expires_at=key.expires_at,
        replaced_by=key.replaced_by,
        created_at=key.created_at,
        last_used_at=key.last_used_at,
        total_requests=key.total_requests,
    )
