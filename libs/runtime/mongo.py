"""The Mongo driver behind one module: services see a database, and its errors under one name.

motor's successor (`pymongo.AsyncMongoClient`) has the same call shapes; changing to it is a change
of this module's imports.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from motor.motor_asyncio import AsyncIOMotorClient, AsyncIOMotorCollection, AsyncIOMotorDatabase
from pymongo.errors import BulkWriteError, DuplicateKeyError

Database = AsyncIOMotorDatabase[dict[str, Any]]
Collection = AsyncIOMotorCollection[dict[str, Any]]
DuplicateError = DuplicateKeyError
DUPLICATE_KEY = 11000

CONNECT_TIMEOUT = 5.0
"""Seconds until an operation fails when no server can be reached."""

__all__ = [
    "Collection",
    "Database",
    "DuplicateError",
    "insert_new",
    "open_mongo",
    "ping_mongo",
]


@asynccontextmanager
async def open_mongo(url: str, database: str) -> AsyncIterator[Database]:
    """Hand out the database; the client connects at the first operation and reconnects itself."""
    client: AsyncIOMotorClient[dict[str, Any]] = AsyncIOMotorClient(
        url,
        tz_aware=True,
        serverSelectionTimeoutMS=int(CONNECT_TIMEOUT * 1000),
        appname="alonchat",
    )
    try:
        yield client[database]
    finally:
        client.close()


async def ping_mongo(database: Database) -> None:
    """Raise MongoUnavailable unless the server answers."""
    await database.command("ping")


async def insert_new(collection: Collection, documents: Sequence[dict[str, Any]]) -> set[Any]:
    """Insert documents in one round trip; those whose id is there already are left as they are.

    Returns the ids of these.
    """
    if not documents:
        return set()
    try:
        await collection.insert_many(documents, ordered=False)
    except BulkWriteError as error:
        problems = error.details["writeErrors"]
        if any(problem["code"] != DUPLICATE_KEY for problem in problems):
            raise
        return {documents[problem["index"]]["_id"] for problem in problems}
    return set()
