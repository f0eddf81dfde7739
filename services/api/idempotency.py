"""A message with an Idempotency-Key is accepted once, however often and wherever it is sent.

The first request claims the key for a message id, in Mongo, so every replica knows. A request that
finds the key claimed follows that message instead of sending its own. A process that dies between
the claim and the acceptance loses it after LEASE: the next request accepts the very same message
anew, which leaves everything as if it had been accepted once. A message that failed was not
answered and cost nothing, so a retry asks again, as a new message.
"""

import asyncio
import base64
import hashlib
import hmac
import re
from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec

from libs.contracts.events import MessageFailed, Outcome
from libs.runtime.clock import now
from services.api.accept import Acceptance, Accepted, Question, Turn, new_turn
from services.api.auth import Caller
from services.api.errors import InProgress, InvalidRequest, KeyReused
from services.api.store.agents import Agent
from services.api.store.conversations import Conversations
from services.api.store.idempotency import KEPT, Claim, Claims

LEASE = timedelta(seconds=20)
"""How long accepting a message takes at most; a claim that is older was left by a dead process."""
LOOK_AGAIN = 0.05
"""Seconds between two looks at a message that another process is accepting right now."""
KEY = re.compile(r"[\x21-\x7e]{1,255}")


@dataclass(frozen=True)
class Repeated:
    """A message that was sent before; `outcome` is how it ended, None while it has not."""

    turn: Turn
    outcome: Outcome | None


class Idempotency:
    """Accepts messages that have a key."""

    def __init__(
        self, claims: Claims, acceptance: Acceptance, conversations: Conversations
    ) -> None:
        self._claims = claims
        self._acceptance = acceptance
        self._conversations = conversations

    async def accept(
        self, caller: Caller, agent: Agent, question: Question, key: str, *, wait: bool
    ) -> Accepted | Repeated:
        """Accept a message, unless it was accepted before under this key.

        `wait`: the caller can follow an answer that is under way; else InProgress is raised.
        Raises KeyReused when the key stands for something else, and what accept() raises.
        """
        check_key(key)
        fresh = _claim(caller, agent, question, key)
        while True:
            if await self._claims.add(fresh):
                return await self._accept(caller, agent, question, key, fresh)
            known = await self._claims.get(fresh.id)
            if known is not None:
                outcome = await self._conversations.outcome(known.message_id)
                ours = _successor(known, fresh, outcome)
                if ours is not None and await self._claims.replace(known, ours):
                    return await self._accept(caller, agent, question, key, ours)
                if ours is None and known.body != fresh.body:
                    raise KeyReused
                if ours is None and (outcome or (known.accepted and wait)):
                    return Repeated(_turn(caller, known, key), outcome)
            if not wait:
                raise InProgress
            await asyncio.sleep(LOOK_AGAIN)

    async def _accept(
        self, caller: Caller, agent: Agent, question: Question, key: str, claim: Claim
    ) -> Accepted:
        try:
            accepted = await self._acceptance.accept(
                caller, agent, question, _turn(caller, claim, key)
            )
        except Exception:
            await self._claims.remove(claim)
            raise
        await self._claims.accepted(claim)
        return accepted


def _successor(known: Claim, fresh: Claim, outcome: Outcome | None) -> Claim | None:
    """Return the claim to put in the place of one that is over, None while it stands."""
    if known.created_at < fresh.created_at - KEPT:
        return fresh
    if known.body != fresh.body:
        return None
    if isinstance(outcome, MessageFailed):
        return fresh
    if outcome or known.accepted or known.claimed_at >= now() - LEASE:
        return None
    # Its process died on the way: the very same message is accepted anew.
    return msgspec.structs.replace(known, claimed_at=_milliseconds())


def check_key(key: str) -> None:
    """Raise InvalidRequest unless this can be an Idempotency-Key."""
    if not KEY.fullmatch(key):
        raise InvalidRequest(
            "Idempotency-Key must be 1 to 255 visible ASCII characters.", param="Idempotency-Key"
        )


def _claim(caller: Caller, agent: Agent, question: Question, key: str) -> Claim:
    turn = new_turn(caller, question)
    # A publishable key is shared by strangers: each visitor has keys of their own.
    owner = (caller.key.id, caller.visitor) if caller.publishable else (caller.account.id, None)
    asked = (agent.id, question.text, question.conversation_id, question.metadata_json)
    moment = _milliseconds()
    return Claim(
        id=_hash((owner, key)),
        body=_hash(asked),
        message_id=turn.message_id,
        conversation_id=turn.conversation_id,
        created_at=moment,
        claimed_at=moment,
    )


def _milliseconds() -> datetime:
    """Return the time in milliseconds, as Mongo keeps it: a claim is recognized by its time."""
    moment = now()
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def _turn(caller: Caller, claim: Claim, key: str) -> Turn:
    token = caller.visitor_token if caller.publishable else None
    if caller.publishable and token is None:
        # A retry must get the same token, which nobody stores: it follows from the key.
        proof = hmac.digest(key.encode(), claim.message_id.encode(), "sha256")
        token = "vt_" + base64.urlsafe_b64encode(proof).decode().rstrip("=")
    return Turn(claim.message_id, claim.conversation_id, token)


def _hash(what: object) -> str:
    return hashlib.sha256(msgspec.json.encode(what)).hexdigest()
