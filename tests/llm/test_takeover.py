"""A worker process is killed in the middle of an answer; another one takes over."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from libs.bus.bus import Bus
from libs.contracts.events import MessageSent
from tests.fakes.openai_server import FakeOpenAI, Script
from tests.llm.conftest import KEY
from tests.llm.grounded import a_grounded
from tests.llm.watching import Watch, ask, well_formed


@asynccontextmanager
async def worker(
    bus: Bus, upstream: FakeOpenAI, tmp_path: Path
) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run a real llm process on the test's bus and model server; killed at the end."""
    server = bus.client.connected_url
    assert server is not None
    environment = os.environ | {
        "NATS_URL": server.geturl(),
        "MONGO_URL": "mongodb://unused",
        "LLM_BASE_URL": upstream.base_url,
        "LLM_API_KEY": KEY,
        "DATA_DIR": str(tmp_path),
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "services", "llm", env=environment
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGKILL)
            await process.wait()


async def test_killed_worker_is_replaced(
    bus: Bus, upstream: FakeOpenAI, watch: Watch, tmp_path: Path
) -> None:
    """The second worker answers the same message whole, as attempt 2, with one outcome."""
    upstream.default = Script(stall_after=10)
    await ask(bus, a_grounded())
    async with worker(bus, upstream, tmp_path) as first:
        await watch.until_text()
        first.send_signal(signal.SIGKILL)
        await first.wait()
        await upstream.until(lambda fake: fake.disconnects == 1)
        upstream.default = Script()
        async with worker(bus, upstream, tmp_path):
            sent = await watch.until_ended()
    assert isinstance(sent, MessageSent)
    assert sent.message == "".join(f"tok{n} " for n in range(64))
    assert "".join(watch.texts(attempt=2)) == sent.message
    assert well_formed(watch.frames)
    assert watch.logged == [sent]
