"""Name to addresses, without letting a slow name server hold up the lookups of other names.

A lookup holds a thread for as long as the operating system's resolver is patient. So the threads
are shared out: who looks up for an account (`looking_up_for`) uses no more than the account's
share, and waits for it when names whose servers never answer have used that up.
"""

import asyncio
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar
from weakref import WeakValueDictionary

LOOKUPS_AT_ONCE = 64
"""Threads. They are apart from the loop's own few, which a dead name server could occupy."""
LOOKUPS_PER_ACCOUNT = 8
"""Of these, most that look up for one account."""

_account: ContextVar[str | None] = ContextVar("lookups_for", default=None)


class ResolveError(Exception):
    """A host has no address, or none was found in time."""


@contextmanager
def looking_up_for(account_id: str) -> Iterator[None]:
    """Count the lookups of the block against an account's share, however deep they are made."""
    token = _account.set(account_id)
    try:
        yield
    finally:
        _account.reset(token)


class Resolver:
    """Resolves hosts with the operating system's resolver; each host once at a time.

    `each`: most lookups at once for one account.
    """

    def __init__(self, at_once: int = LOOKUPS_AT_ONCE, each: int = LOOKUPS_PER_ACCOUNT) -> None:
        self._threads = ThreadPoolExecutor(at_once, thread_name_prefix="resolve")
        self._each = each
        self._running: dict[str, asyncio.Future[list[str]]] = {}
        self._shares: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()

    async def addresses(self, host: str, timeout: float | None) -> list[str]:
        """Return the addresses of a host, best first. Raises ResolveError."""
        try:
            async with asyncio.timeout(timeout):
                lookup = self._running.get(host) or await self._begin(host)
                # Shared with others, so it goes on when this one has lost its patience.
                return await asyncio.shield(lookup)
        except TimeoutError as error:
            raise ResolveError(f"{host} could not be looked up in time") from error
        except (OSError, ValueError) as error:  # ValueError: what can't be a name
            raise ResolveError(f"{host} has no address") from error

    async def _begin(self, host: str) -> asyncio.Future[list[str]]:
        share = self._share()
        if share is not None:
            await share.acquire()
            if (begun := self._running.get(host)) is not None:  # by another one that waited
                share.release()
                return begun
        lookup = asyncio.get_running_loop().run_in_executor(self._threads, self.look_up, host)
        self._running[host] = lookup

        def ended(_: object) -> None:  # the thread is free only now, whoever has lost patience
            self._running.pop(host, None)
            if share is not None:
                share.release()

        lookup.add_done_callback(ended)
        return lookup

    def _share(self) -> asyncio.Semaphore | None:
        """Return the share of whom this is for, which lives as long as anybody uses it."""
        account_id = _account.get()
        if account_id is None:
            return None
        share = self._shares.get(account_id)
        if share is None:
            share = self._shares[account_id] = asyncio.Semaphore(self._each)
        return share

    def look_up(self, host: str) -> list[str]:
        """Ask the operating system, in a thread. Raises OSError and UnicodeError."""
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
        return list(dict.fromkeys(str(entry[4][0]) for entry in found))

    def close(self) -> None:
        """Give the threads back; a lookup that hangs is left to end by itself."""
        self._threads.shutdown(wait=False, cancel_futures=True)
