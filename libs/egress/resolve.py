"""Name to addresses, without letting a slow name server hold up the lookups of other names."""

import asyncio
import socket
from concurrent.futures import ThreadPoolExecutor

LOOKUPS_AT_ONCE = 32
"""Threads. They are apart from the loop's own few, which a dead name server could occupy."""


class ResolveError(Exception):
    """A host has no address, or none was found in time."""


class Resolver:
    """Resolves hosts with the operating system's resolver; each host once at a time."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(LOOKUPS_AT_ONCE, thread_name_prefix="resolve")
        self._running: dict[str, asyncio.Future[list[str]]] = {}

    async def addresses(self, host: str, timeout: float | None) -> list[str]:
        """Return the addresses of a host, best first. Raises ResolveError."""
        lookup = self._running.get(host)
        if lookup is None:
            lookup = asyncio.get_running_loop().run_in_executor(self._threads, _look_up, host)
            self._running[host] = lookup
            lookup.add_done_callback(lambda _: self._running.pop(host, None))
        try:
            async with asyncio.timeout(timeout):
                # Shared with others, so it goes on when this one has lost its patience.
                return await asyncio.shield(lookup)
        except TimeoutError as error:
            raise ResolveError(f"{host} could not be looked up in time") from error
        except (OSError, ValueError) as error:  # ValueError: what can't be a name
            raise ResolveError(f"{host} has no address") from error

    def close(self) -> None:
        """Give the threads back; a lookup that hangs is left to end by itself."""
        self._threads.shutdown(wait=False, cancel_futures=True)


def _look_up(host: str) -> list[str]:
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))
