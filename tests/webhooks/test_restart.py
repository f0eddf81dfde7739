import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from alonchat.stack import embedded
from libs.bus.bus import Bus, open_bus
from libs.contracts import calls
from libs.runtime.mongo import Database
from services.webhooks.app import run
from tests.fakes.webhook_receiver import Received, Receiver
from tests.webhooks.conftest import Owner, development
from tests.webhooks.happenings import received

SETTLED = 2.0
"""Seconds until the retry of the test that restarts NATS: longer than the restart takes."""


@contextmanager
def process() -> Iterator[subprocess.Popen[bytes]]:
    """The service as a process of its own."""
    running = subprocess.Popen([sys.executable, "-m", "services", "webhooks"], env=os.environ)
    try:
        yield running
    finally:
        running.kill()
        running.wait(timeout=10)


@pytest.mark.usefixtures("settings")
async def test_a_delivery_survives_the_death_of_its_process(
    bus: Bus, owner: Owner, receiver: Receiver
) -> None:
    """After kill -9 in the middle of attempts the next process makes them, and the retries too."""
    await bus.start()
    with process() as first:
        await owner.create(receiver.url("/hook"))
        await owner.create(receiver.url("/failing"))
        receiver.script("/failing", 500, 500)
        sent = [received(owner.agent_id, str(number)) for number in range(20)]
        with receiver.hanging("/hook"):
            for event in sent:
                await bus.emit(event)
            await receiver.wait_for("/hook", 5)
            await receiver.wait_for("/failing", 2)
            first.send_signal(signal.SIGKILL)
            first.wait(timeout=10)
        before = len(receiver.at("/hook"))
    with process():
        # Nothing that hung was delivered; of the other path's attempts two had failed.
        await receiver.wait_until(lambda: len(ids(receiver.at("/hook")[before:])) == len(sent))
        await receiver.wait_until(lambda: len(ids(receiver.at("/failing")[2:])) == len(sent))


def ids(requests: list[Received]) -> set[str]:
    """The events of some requests."""
    return {one.headers["webhook-id"] for one in requests}


@pytest.mark.usefixtures("settings")
async def test_the_process_stops_quickly_while_an_endpoint_hangs(
    bus: Bus, owner: Owner, receiver: Receiver
) -> None:
    """SIGTERM: attempts get a moment, then the process ends; the delivery is made by the next."""
    await bus.start()
    with process() as first:
        await owner.create(receiver.url("/hook"))
        with receiver.hanging("/hook"):
            await bus.emit(received(owner.agent_id))
            await receiver.wait_for("/hook")
            first.terminate()
            assert first.wait(timeout=6) == 0
    with process():
        await bus.call(calls.probe("webhooks"), calls.Probe())
        await receiver.wait_for("/hook", 2)


async def test_retries_survive_the_death_of_nats_and_keep_their_time(
    database: Database,
    mongo_url: str,
    receiver: Receiver,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """After kill -9 of NATS a retry that waits is made once, and not too early."""
    server = embedded.nats(tmp_path / "nats")
    process = embedded.start(server)
    development(monkeypatch, server.url, mongo_url, database.name)
    monkeypatch.setenv("WEBHOOK_RETRY_DELAYS", str(SETTLED))
    receiver.script("/hook", 500)
    try:
        async with open_bus(server.url, "test") as bus, run():
            owner = Owner(bus)
            await owner.create(receiver.url("/hook"))
            await bus.emit(received(owner.agent_id))
            await receiver.wait_for("/hook")
            process.kill()
            process.wait(timeout=10)
            process = embedded.start(server)
            first, second = await receiver.wait_for("/hook", 2)
            assert second.at - first.at >= SETTLED * 0.8
            assert second.headers["webhook-id"] == first.headers["webhook-id"]
            event = received(owner.agent_id)
            await bus.emit(event)
            assert (await receiver.wait_for("/hook", 3))[-1].headers["webhook-id"] == event.event_id
    finally:
        embedded.stop(server, process)
