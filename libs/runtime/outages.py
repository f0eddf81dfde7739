"""What says that the database is away: tried again later, as everything that waits for a server is.

It has a module of its own for services that have no database, whose image has no driver either.
"""

try:
    from pymongo.errors import ConnectionFailure as MongoUnavailable
except ImportError:

    class MongoUnavailable(Exception):  # type: ignore[no-redef]
        """Never raised: nothing here speaks to Mongo."""


__all__ = ["MongoUnavailable"]
