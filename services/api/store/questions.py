"""Which questions have no answer. Every process looks; the first one to have looked moves on."""

from datetime import datetime, timedelta

import msgspec
from ulid import ULID

from libs.runtime.mongo import Collection, Database
from services.api.store.conversations import Conversations, StoredMessage, question_id

AT_ONCE = 500
"""Questions that are read in one step."""
FIRST_LOOK_BACK = timedelta(days=1)
"""How far back the first look of an installation goes."""
CURSOR = "unanswered"


class Due(msgspec.Struct, frozen=True):
    """Messages whose answers are due: the last question that was looked at, None without any."""

    unanswered: list[str]
    last: str | None


class Questions:
    """Reads of the `messages` collection, and how far they have come, in `sweeps`."""

    def __init__(self, database: Database, conversations: Conversations) -> None:
        self._messages: Collection = database["messages"]
        self._sweeps: Collection = database["sweeps"]
        self._conversations = conversations

    async def get(self, message_id: str) -> StoredMessage | None:
        """Return the question to an answer."""
        return await self._conversations.message(question_id(message_id))

    async def due(self, before: datetime) -> Due:
        """Return the oldest messages accepted before a time that were not looked at yet."""
        cursor = await self._sweeps.find_one({"_id": CURSOR})
        after = cursor["until"] if cursor else _first_id(before - FIRST_LOOK_BACK)
        query = {"_id": {"$gt": after, "$lt": _first_id(before)}, "role": "user"}
        found = self._messages.find(query, {"_id": 1}).sort("_id", 1).limit(AT_ONCE)
        asked = [document["_id"] async for document in found]
        ids = [question.removesuffix("q") for question in asked]
        answers = self._messages.find({"_id": {"$in": ids}}, {"_id": 1})
        answered = {document["_id"] async for document in answers}
        return Due([each for each in ids if each not in answered], asked[-1] if asked else None)

    async def done(self, due: Due) -> None:
        """Note that these were looked at."""
        if due.last:
            await self._sweeps.update_one(
                {"_id": CURSOR}, {"$max": {"until": due.last}}, upsert=True
            )


def _first_id(moment: datetime) -> str:
    """Return what sorts before the ids of all messages accepted from a time on."""
    return f"msg_{str(ULID.from_datetime(moment))[:10].lower()}"
