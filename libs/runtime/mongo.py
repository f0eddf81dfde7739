"""The Mongo driver behind one module: services see a database, and its errors under one name.

motor's successor (`pymongo.AsyncMongoClient`) has the same call shapes; changing to it is a change
of this module's imports.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from motor.motor_asyncio import AsyncIOMotorClient, AsyncIOMotorCollection, AsyncIOMotorDatabase
from pymongo.errors import DuplicateKeyError, PyMongoError

Database = AsyncIOMotorDatabase[dict[str, Any]]
Collection = AsyncIOMotorCollection[dict[str, Any]]
MongoError = PyMongoError
DuplicateError = DuplicateKeyError

CONNECT_TIMEOUT = 5.0
"""Seconds until an operation fails when no server can be reached."""

__all__ = ["Collection", "Database", "DuplicateError", "MongoError", "open_mongo", "ping_mongo"]


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
    """Raise MongoError unless the server answers."""
    await database.command("ping")
