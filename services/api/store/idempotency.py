"""Which Idempotency-Keys were used, for what."""

from datetime import UTC, datetime, timedelta

import msgspec

from libs.runtime.documents import from_document, to_document
from libs.runtime.mongo import Collection, Database, DuplicateError

KEPT = timedelta(hours=24)
"""How long a key stands for its first request."""
LET_GO = datetime.fromtimestamp(0, UTC)
"""When a claim was made that nobody holds."""


class KeyClaim(msgspec.Struct, frozen=True, kw_only=True):
    """A key's first request. `body` is the hash of what it asked.

    `claimed_at` is when a process began to accept it; `accepted`: that was done. `seed` is what
    the token of a visitor without one is made of; a message in the place of a failed one keeps it.
    """

    id: str
    body: str
    message_id: str
    conversation_id: str
    created_at: datetime
    claimed_at: datetime
    accepted: bool = False
    seed: str = ""


class Claims:
    """The `idempotency` collection."""

    def __init__(self, database: Database) -> None:
        self._claims: Collection = database["idempotency"]

    async def create_indexes(self) -> None:
        """Create what the queries need; safe to repeat."""
        await self._claims.create_index("created_at", expireAfterSeconds=int(KEPT.total_seconds()))

    async def add(self, claim: KeyClaim) -> bool:
        """Store a claim; False when there is one for its key."""
        try:
            await self._claims.insert_one(to_document(claim))
        except DuplicateError:
            return False
        return True

    async def get(self, claim_id: str) -> KeyClaim | None:
        """Return the claim, None when there is none."""
        document = await self._claims.find_one({"_id": claim_id})
        if document is None:
            return None
        return from_document(document, KeyClaim)

    async def replace(self, old: KeyClaim, new: KeyClaim) -> bool:
        """Put a claim in another's place; False when that is not there any more."""
        fields = to_document(new)
        del fields["_id"]
        result = await self._claims.update_one(_same(old), {"$set": fields})
        return bool(result.modified_count)

    async def accepted(self, claim: KeyClaim) -> None:
        """Remember that its message was accepted."""
        await self._claims.update_one(_same(claim), {"$set": {"accepted": True}})

    async def let_go(self, claim: KeyClaim) -> None:
        """Leave a claim to whoever comes next, as if its process had died long ago."""
        await self._claims.update_one(_same(claim), {"$set": {"claimed_at": LET_GO}})

    async def remove(self, claim: KeyClaim) -> None:
        """Forget a claim whose message was refused: the key is free again."""
        await self._claims.delete_one(_same(claim))


def _same(claim: KeyClaim) -> dict[str, object]:
    return {
        "_id": claim.id,
        "message_id": claim.message_id,
        "claimed_at": claim.claimed_at,
    }
