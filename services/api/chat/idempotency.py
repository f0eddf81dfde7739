"""A message with an Idempotency-Key is accepted once, however often and wherever it is sent.

The first request claims the key for a message id, in Mongo, so every replica knows. A request that
finds the key claimed follows that message instead of sending its own. A process that dies between
the claim and the acceptance loses it after LEASE, one that can't finish it because a server is away
lets it go at once: the next request accepts the very same message anew, which leaves everything as
if it had been accepted once. Only what is refused frees the key. A message that failed was not
answered and cost nothing, so a retry asks again, as a new message.

A key is no credential: whoever chose it may have chosen what others choose. So a claim is its
owner's alone, and what has no owner but the key (a visitor without a token) needs one that nobody
can guess. See docs/decisions/idempotency-claims.md.
"""

import asyncio
import base64
import hashlib
import hmac
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar

import msgspec
from litestar.status_codes import HTTP_500_INTERNAL_SERVER_ERROR

from libs.bus.errors import FaultError
from libs.contracts.events import MessageFailed, Outcome
from libs.runtime.clock import now
from services.api.chat.room import Place
from services.api.chat.turn import Turn
from services.api.edge.auth import Caller
from services.api.http.errors import ApiError, InProgress, InvalidRequest, KeyReused, also_answering
from services.api.store.conversations import Conversations
from services.api.store.idempotency import KEPT, Claims, KeyClaim

T = TypeVar("T")

LEASE = timedelta(seconds=20)
"""How long accepting a message takes at most; a claim that is older was left by a dead process."""
LOOK_AGAIN = 0.05
"""Seconds between two looks at a message that another process is accepting right now."""
KEY = re.compile(r"[\x21-\x7e]{1,255}")
RANDOM_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[47][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
DIFFERENT_DIGITS = 6
"""A random UUID has as many of the 16 digits, but for one in millions; one that counts up does not.
"""


@dataclass(frozen=True)
class Repeated:
    """A message that was sent before; `outcome` is how it ended, None while it has not."""

    turn: Turn
    outcome: Outcome | None
    place: Place | None = None


class Idempotency:
    """Has a message with a key accepted once."""

    def __init__(self, claims: Claims, conversations: Conversations) -> None:
        self._claims = claims
        self._conversations = conversations

    async def once(
        self, turn: Turn, key: str, accept: Callable[[Turn], Awaitable[T]], *, wait: bool
    ) -> T | Repeated:
        """Accept a message, unless it was accepted before under this key.

        `wait`: the caller can follow an answer that is under way; else InProgress is raised.
        Raises InvalidRequest when this can't be a key, KeyReused when it stands for something
        else, and what accept() raises.
        """
        check_key(key, turn.caller)
        fresh = await self._under_the_same_claim(turn.caller, key, _claim(turn, key))
        while True:
            if await self._claims.add(fresh):
                return await self._accept(turn, key, fresh, accept)
            known = await self._claims.get(fresh.id)
            if known is not None:
                outcome = await self._conversations.outcome(known.message_id)
                ours = _successor(known, fresh, outcome)
                if ours is not None and await self._claims.replace(known, ours):
                    return await self._accept(turn, key, ours, accept)
                if ours is None and known.body != fresh.body:
                    raise KeyReused
                if ours is None and (outcome or (known.accepted and wait)):
                    return Repeated(_under(turn, known, key), outcome)
            if not wait:
                accepted = known is not None and known.accepted
                headers = _under(turn, known, key).ids.headers if known and accepted else {}
                with also_answering(headers):
                    raise InProgress
            await asyncio.sleep(LOOK_AGAIN)

    async def _under_the_same_claim(self, caller: Caller, key: str, fresh: KeyClaim) -> KeyClaim:
        """Return the claim with the id of the visitor's first, made before there was a token.

        The token came with the head of the first response; the retry after it brings it.
        """
        if not (caller.publishable and caller.visitor_token and is_random(key)):
            return fresh
        first = await self._claims.get(_hash((_newcomer(caller), key)))
        if first is None or not hmac.compare_digest(_token(first, key), caller.visitor_token):
            return fresh
        return msgspec.structs.replace(fresh, id=first.id)

    async def _accept(
        self, turn: Turn, key: str, claim: KeyClaim, accept: Callable[[Turn], Awaitable[T]]
    ) -> T:
        try:
            accepted = await accept(_under(turn, claim, key))
        except Exception as error:
            if _is_refusal(error):
                await self._claims.remove(claim)
            else:
                # An outage, perhaps, of which nobody knows what it let through: the message may be
                # answered yet. Whoever asks next accepts the very same one anew.
                await self._claims.let_go(claim)
            raise
        await self._claims.accepted(claim)
        return accepted


def _successor(known: KeyClaim, fresh: KeyClaim, outcome: Outcome | None) -> KeyClaim | None:
    """Return the claim to put in the place of one that is over, None while it stands."""
    if known.created_at < fresh.created_at - KEPT:
        return fresh
    if known.body != fresh.body:
        return None
    if isinstance(outcome, MessageFailed):
        return msgspec.structs.replace(fresh, seed=known.seed)
    if outcome or known.accepted or known.claimed_at >= now() - LEASE:
        return None
    # Its process died, or gave up, on the way: the very same message is accepted anew.
    return msgspec.structs.replace(known, claimed_at=_milliseconds())


def _is_refusal(error: Exception) -> bool:
    """Tell whether a message is not there, for certain: it is the client's fault."""
    if isinstance(error, ApiError):
        return error.status < HTTP_500_INTERNAL_SERVER_ERROR
    return isinstance(error, FaultError)


def check_key(key: str, caller: Caller) -> None:
    """Raise InvalidRequest unless this can be an Idempotency-Key of the caller's."""
    if not KEY.fullmatch(key):
        raise InvalidRequest(
            "Idempotency-Key must be 1 to 255 visible ASCII characters.", param="Idempotency-Key"
        )
    if caller.publishable and caller.visitor is None and not is_random(key):
        raise InvalidRequest(
            "Without X-Visitor-Token, Idempotency-Key must be a random UUID (version 4 or 7), "
            "such as crypto.randomUUID() makes: others could choose any other key as well.",
            param="Idempotency-Key",
        )


def is_random(key: str) -> bool:
    """Whether nobody else can have come upon this key: a UUID of version 4 or 7."""
    key = key.lower()
    return bool(RANDOM_UUID.fullmatch(key)) and len(set(key) - {"-"}) >= DIFFERENT_DIGITS


def _claim(turn: Turn, key: str) -> KeyClaim:
    asked = (turn.agent.id, turn.question, turn.continues, turn.metadata_json)
    moment = _milliseconds()
    return KeyClaim(
        id=_hash((_owner(turn.caller), key)),
        body=_hash(asked),
        message_id=turn.ids.message_id,
        conversation_id=turn.ids.conversation_id,
        created_at=moment,
        claimed_at=moment,
        seed=turn.ids.message_id,
    )


def _owner(caller: Caller) -> tuple[str | None, ...]:
    """Return whose keys these are: those of others are other keys, whatever they are called."""
    if not caller.publishable:
        return (caller.account.id, caller.key.agent_id)
    if caller.visitor is None:
        return _newcomer(caller)
    return (caller.key.limit_id, caller.visitor)


def _newcomer(caller: Caller) -> tuple[str, ...]:
    """Return what there is to tell a visitor without a token from others."""
    return (caller.key.limit_id, "newcomer", *caller.seen_from)


def _milliseconds() -> datetime:
    """Return the time in milliseconds, as Mongo keeps it: a claim is recognized by its time."""
    moment = now()
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def _under(turn: Turn, claim: KeyClaim, key: str) -> Turn:
    token = _token(claim, key) if turn.caller.publishable else None
    return turn.under(claim.message_id, claim.conversation_id, token)


def _token(claim: KeyClaim, key: str) -> str:
    """Return the token of a visitor who had none.

    A retry must get the same, which nobody stores: it follows from the key.
    """
    seed = claim.seed or claim.message_id
    proof = hmac.digest(key.encode(), seed.encode(), "sha256")
    return "vt_" + base64.urlsafe_b64encode(proof).decode().rstrip("=")


def _hash(what: object) -> str:
    return hashlib.sha256(msgspec.json.encode(what)).hexdigest()
