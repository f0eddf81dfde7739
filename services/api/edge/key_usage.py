"""Counts the requests of each key in memory and writes them to Mongo now and then."""

from datetime import UTC, datetime

from services.api.store.keys import Keys


class KeyUsage:
    """Request counts and last use by key id. A crash loses at most one interval of them."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys
        self._pending: dict[str, tuple[int, datetime]] = {}

    def add(self, key_id: str) -> None:
        """Count a request that was made just now."""
        requests, _ = self._pending.get(key_id, (0, None))
        self._pending[key_id] = (requests + 1, datetime.now(UTC))

    async def write(self) -> None:
        """Write what has been counted since the last time."""
        pending, self._pending = self._pending, {}
        await self._keys.add_usage((key, count, last) for key, (count, last) in pending.items())
