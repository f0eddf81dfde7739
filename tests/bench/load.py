"""How load is put on a system: so many clients that ask one after another, or all at once."""

import asyncio
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from tests.bench.http import Connection, Reply

Request = Callable[[int], bytes]
"""Makes the request of a number: no two ask the same."""


@dataclass(frozen=True)
class Run:
    """What came back, and how long it took in seconds."""

    replies: list[Reply]
    seconds: float
    failed: int

    @property
    def per_second(self) -> float:
        """Responses a second."""
        return len(self.replies) / self.seconds

    @property
    def first_token(self) -> list[float]:
        """Seconds to the first word of each answer that had one."""
        return [reply.first - reply.sent for reply in self.replies if reply.first is not None]

    @property
    def totals(self) -> list[float]:
        """Seconds to the end of each answer."""
        return [reply.ended - reply.sent for reply in self.replies]

    @property
    def gaps(self) -> list[float]:
        """Seconds between the pieces of each answer."""
        return [
            later - earlier
            for reply in self.replies
            for earlier, later in zip(reply.arrivals, reply.arrivals[1:], strict=False)
        ]


async def in_turn(port: int, request: Request, *, clients: int, seconds: float, first: int) -> Run:
    """Let clients ask for so long, each the next question when it has its answer."""
    begun = time.perf_counter()
    numbers = _numbers(first, begun + seconds)
    results = await asyncio.gather(*(_client(port, request, numbers) for _ in range(clients)))
    took = time.perf_counter() - begun
    replies = [reply for got, _ in results for reply in got]
    return Run(replies, took, sum(failed for _, failed in results))


def _numbers(first: int, until: float) -> Iterator[int]:
    while time.perf_counter() < until:
        yield first
        first += 1


async def _client(port: int, request: Request, numbers: Iterator[int]) -> tuple[list[Reply], int]:
    replies: list[Reply] = []
    failed = 0
    async with Connection(port) as connection:
        for number in numbers:
            reply = await connection.ask(request(number))
            replies.append(reply)
            failed += reply.status >= 300
    return replies, failed


async def at_once(port: int, request: Request, *, answers: int, first: int) -> Run:
    """Open so many streams in the same moment, each on a connection of its own."""
    begun = time.perf_counter()
    results = await asyncio.gather(
        *(_client(port, request, iter([number])) for number in range(first, first + answers)),
        return_exceptions=True,
    )
    seconds = time.perf_counter() - begun
    good = [result for result in results if not isinstance(result, BaseException)]
    replies = [reply for got, _ in good for reply in got]
    lost = len(results) - len(good)
    return Run(replies, seconds, lost + sum(failed for _, failed in good))
