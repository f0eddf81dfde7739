"""A pass-through proxy: bytes in, bytes out. `python -m tests.bench.peers.relay PORT TO_PORT`."""

import asyncio
import sys

import uvloop

from tests.fakes.link import Link


async def main(port: int, to: int) -> None:
    """Forward until killed."""
    async with Link(to, port=port):
        await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1]), int(sys.argv[2])))
