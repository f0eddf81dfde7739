"""How many agents, keys and webhooks an account makes, whatever becomes of them.

Each that is made or changed is told to every process, so making and deleting without end would
cost all tenants something.
"""

import time

from services.api.edge.limits import HOUR, Limit, RateLimiter
from services.api.http.errors import RateLimited


class Creations:
    """Counts on the bus what accounts make; at most `per_hour`."""

    def __init__(self, limiter: RateLimiter, per_hour: int) -> None:
        self._limiter = limiter
        self._per_hour = per_hour

    async def count(self, account_id: str) -> None:
        """Count one. Raises RateLimited."""
        window = (await self._limiter.hit([Limit(account_id, "creations", HOUR, self._per_hour)]))[
            -1
        ]
        if window.exceeded:
            raise RateLimited(window.wait(time.time()))
