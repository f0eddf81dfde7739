"""The end of a connection, in the loop that the services run in."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import uvloop

from libs.bus.bus import Bus, open_bus


async def on_uvloop(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run in a loop of the kind that services/__main__.py uses."""
    await asyncio.to_thread(lambda: uvloop.run(work()))


def end_connection(bus: Bus) -> None:
    """End it as if the server had died; the client has not noticed yet."""
    connection: Any = bus.client._transport
    connection._io_writer.transport.abort()


async def test_a_publish_as_the_connection_ends_is_no_error(empty_nats_url: str) -> None:
    """It waits for the next connection, as a moment later; and there is a next one, each time."""

    async def publishing() -> None:
        async with (
            open_bus(empty_nats_url, "test") as bus,
            open_bus(empty_nats_url, "other") as other,
        ):
            arrived: set[bytes] = set()
            done = asyncio.Event()

            async def arrive(message: Any) -> None:
                arrived.add(message.data)
                if message.data == b"last":
                    done.set()

            await other.client.subscribe("test.arrived", cb=arrive)
            await other.client.flush()
            back = asyncio.Event()
            bus.on_reconnect(back.set)
            async with asyncio.timeout(30):
                for round_ in range(3):
                    back.clear()
                    end_connection(bus)
                    for number in range(20):
                        await bus.client.publish("test.arrived", f"{round_}.{number}".encode())
                        await asyncio.sleep(0)
                    await back.wait()
                await bus.client.publish("test.arrived", b"last")
                await done.wait()
            assert len(arrived) > 30  # what had left when the connection ended is gone

    await on_uvloop(publishing)
