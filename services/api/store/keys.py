"""API keys: stored as a hash, shown once."""

import hashlib
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Literal

import msgspec

from libs.runtime.clock import now
from libs.runtime.deleted_agents import DeletedAgents
from libs.runtime.documents import from_document, page_of, reader, to_document
from libs.runtime.ids import new_id, new_secret
from libs.runtime.mongo import Collection, Database

KeyType = Literal["secret", "publishable"]
LISTED_EXPIRED = timedelta(days=30)
"""How long an expired key stays in lists."""
PREFIXES: Mapping[KeyType, str] = {"secret": "sk", "publishable": "pk"}


class Key(msgspec.Struct, frozen=True, kw_only=True):
    """A key without its secret. `agent_id` None: the whole account's.

    `counted_as` is the key whose rate limits its requests count against: a key that replaces
    another shares those of the one it replaces. `replaced_by` is the id of the key that does.
    """

    id: str
    account_id: str
    agent_id: str | None
    type: KeyType
    name: str
    key_prefix: str
    allowed_origins: tuple[str, ...]
    created_at: datetime
    last_used_at: datetime | None = None
    total_requests: int = 0
    expires_at: datetime | None = None
    replaced_by: str | None = None
    counted_as: str = ""

    @property
    def active(self) -> bool:
        """Whether the key is accepted right now."""
        return self.expires_at is None or self.expires_at > now()

    @property
    def limit_id(self) -> str:
        """What its requests are counted under."""
        return self.counted_as or self.id


LONGEST_LIFE = timedelta(days=100 * 365)
"""Of a key in place of one that was made to live beyond what a date can be."""


class Keys:
    """The `keys` collection. A revoked key is gone from it; an expired one some time later."""

    def __init__(self, database: Database) -> None:
        self._keys: Collection = database["keys"]
        self._deleted_agents = DeletedAgents(database, "api")

    async def create_indexes(self) -> None:
        """Create what the queries need; safe to repeat."""
        await self._keys.create_index("hash", unique=True)
        await self._keys.create_index([("agent_id", 1), ("_id", -1)])
        await self._keys.create_index("allowed_origins")
        await self._keys.create_index(
            "expires_at", expireAfterSeconds=int(LISTED_EXPIRED.total_seconds())
        )

    async def create(
        self,
        account_id: str,
        agent_id: str | None,
        kind: KeyType,
        name: str,
        allowed_origins: tuple[str, ...] = (),
        *,
        expires_at: datetime | None = None,
        counted_as: str = "",
    ) -> tuple[Key, str]:
        """Store a new key; return it and its secret, which can't be read again."""
        secret = new_secret(PREFIXES[kind])
        key = Key(
            id=new_id("key"),
            account_id=account_id,
            agent_id=agent_id,
            type=kind,
            name=name,
            key_prefix=f"{secret[:7]}…{secret[-4:]}",
            allowed_origins=allowed_origins,
            created_at=now(),
            expires_at=expires_at,
            counted_as=counted_as,
        )
        await self._keys.insert_one(to_document(key) | {"hash": digest(secret)})
        return key, secret

    async def took_back(self, key: Key) -> bool:
        """Remove a new key whose agent was deleted meanwhile; False when that is not so."""
        if key.agent_id is None or not await self._deleted_agents.has(key.agent_id):
            return False
        await self._keys.delete_one({"_id": key.id})
        return True

    async def by_secret(self, secret: str) -> Key | None:
        """Return the key of a secret, None when there is none.

        The look-up is by hash, so its timing tells nothing about the secret.
        """
        document = await self._keys.find_one({"hash": digest(secret)})
        return from_document(document, Key) if document else None

    async def of_agent(self, agent_id: str) -> list[Key]:
        """Return an agent's keys, newest first."""
        found = self._keys.find({"agent_id": agent_id}).sort("_id", -1)
        return [from_document(document, Key) async for document in found]

    async def page(
        self, agent_id: str, cursor: str | None, limit: int, most_bytes: int
    ) -> tuple[list[Key], str | None]:
        """Return an agent's keys, newest first, and the next cursor; see page_of()."""
        return await page_of(
            self._keys,
            {"agent_id": agent_id},
            reader(Key),
            cursor=cursor,
            limit=limit,
            most_bytes=most_bytes,
        )

    async def of_account(self, account_id: str) -> list[Key]:
        """Return the keys of the whole account, newest first; not those of its agents."""
        found = self._keys.find({"agent_id": None, "account_id": account_id}).sort("_id", -1)
        return [from_document(document, Key) async for document in found]

    async def get(self, agent_id: str, key_id: str) -> Key | None:
        """Return a key of an agent, None when there is none."""
        document = await self._keys.find_one({"_id": key_id, "agent_id": agent_id})
        return from_document(document, Key) if document else None

    async def rotate(self, old: Key, overlap: timedelta) -> tuple[Key, str] | None:
        """Store a key in an old one's place, which ends after `overlap`, or earlier if it would.

        A key that expires is replaced by one that lives as long as it was made to. Returns the new
        key and its secret, None when another request replaced the old one first.
        """
        lifetime = old.expires_at - old.created_at if old.expires_at else None
        if lifetime is not None:
            lifetime = min(lifetime, LONGEST_LIFE)
        key, secret = await self.create(
            old.account_id,
            old.agent_id,
            old.type,
            old.name,
            old.allowed_origins,
            expires_at=now() + lifetime if lifetime else None,
            counted_as=old.limit_id,
        )
        end = now() + overlap
        end = min(end, old.expires_at) if old.expires_at else end
        result = await self._keys.update_one(
            {"_id": old.id, "replaced_by": None},
            {"$set": {"replaced_by": key.id, "expires_at": end}},
        )
        if result.modified_count:
            return key, secret
        await self._keys.delete_one({"_id": key.id})
        return None

    async def revoke(self, agent_id: str, key_id: str) -> bool:
        """Remove a key of an agent. False when there is none."""
        result = await self._keys.delete_one({"_id": key_id, "agent_id": agent_id})
        return bool(result.deleted_count)

    async def revoke_of_account(self, account_id: str, key_id: str) -> bool:
        """Remove a key of the whole account. False when there is none."""
        own = {"_id": key_id, "agent_id": None, "account_id": account_id}
        return bool((await self._keys.delete_one(own)).deleted_count)

    async def revoke_all(self, agent_id: str) -> None:
        """Remove all keys of an agent."""
        await self._keys.delete_many({"agent_id": agent_id})

    async def origin_is_known(self, origin: str) -> bool:
        """Whether any publishable key may be used from this origin."""
        for allowed in (origin, "*"):
            if await self._keys.find_one({"allowed_origins": allowed}, {"_id": 1}):
                return True
        return False

    async def add_usage(self, usage: Iterable[tuple[str, int, datetime]]) -> None:
        """Add request counts and the time of the last one, by key id."""
        for key_id, requests, last in usage:
            await self._keys.update_one(
                {"_id": key_id},
                {"$inc": {"total_requests": requests}, "$max": {"last_used_at": last}},
            )


def digest(secret: str) -> str:
    """Hash a secret. It has 256 random bits, so a fast hash without salt is enough."""
    return hashlib.sha256(secret.encode()).hexdigest()
