"""What NATS has forgotten is there again without anybody restarting a process."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from nats.errors import Error as NatsError
from nats.js.errors import NotFoundError

from alonchat.stack import embedded
from libs.bus.bus import Bus, open_bus
from libs.bus.calls import serve_call
from libs.bus.errors import ServiceUnavailable
from libs.bus.files import BUCKET, open_files
from libs.bus.queues import Delivered, consume
from libs.contracts import subjects
from libs.contracts.accounts import GET_ACCOUNT, AccountChanged, GetAccount
from libs.contracts.queues import CHAT_REPLIES, SOURCES_SUBMITTED
from libs.contracts.sources import SourceSubmitted
from libs.contracts.subjects import REPLIES, STREAMS
from tests.stack import Killable
from tests.waiting import eventually

pytestmark = pytest.mark.slow

JOB = SourceSubmitted(agent_id="agent_1", source_id="src_1")


@pytest.fixture
def mortal(tmp_path: Path) -> Killable:
    """A NATS server to kill."""
    return Killable(embedded.nats(tmp_path / "nats"))


@asynccontextmanager
async def working(mortal: Killable) -> AsyncIterator[tuple[Bus, list[str]]]:
    """A process that works on sources, and which it has handled."""
    handled: list[str] = []

    async def handle(delivered: Delivered[SourceSubmitted]) -> None:
        handled.append(delivered.message.source_id)

    mortal.start()
    try:
        async with open_bus(mortal.server.url, "test") as bus:
            consume(bus, SOURCES_SUBMITTED, handle, by="test", slots=2)
            await open_files(bus, 1)
            await bus.start()
            yield bus, handled
    finally:
        mortal.stop()


async def streams(bus: Bus) -> set[str]:
    """The names of the streams that there are."""
    try:
        return {str(info.config.name) for info in await bus.jetstream.streams_info()}
    except NatsError:  # it is away
        return set()


async def all_there(bus: Bus) -> None:
    """Return when every stream is there."""
    wanted = {stream.name for stream in STREAMS} | {f"OBJ_{BUCKET}"}

    async def there() -> bool:
        return wanted <= await streams(bus)

    await eventually(there)


async def sent(bus: Bus, source_id: str) -> None:
    """Return when a job is on its queue."""

    async def on_queue() -> bool:
        job = SourceSubmitted(agent_id="agent_1", source_id=source_id)
        try:
            return await bus.publish(SOURCES_SUBMITTED.subject, job, source_id)
        except ServiceUnavailable:
            return False

    await eventually(on_queue)


async def open_request(bus: Bus) -> None:
    """Return when the server knows that messages are asked for."""

    async def known() -> bool:
        info = await bus.jetstream.consumer_info(
            subjects.SOURCES.name, SOURCES_SUBMITTED.durable("test")
        )
        return bool(info.num_waiting)

    await eventually(known)


async def handled_now(handled: list[str], source_id: str) -> None:
    """Return when a job was handled."""

    async def there() -> bool:
        return source_id in handled

    await eventually(there)


async def test_a_killed_server_has_its_memory_streams_again(mortal: Killable) -> None:
    """A server that runs alone keeps nothing of a memory stream, not even that there was one."""
    async with working(mortal) as (bus, _):
        mortal.kill()
        await asyncio.to_thread(mortal.start)
        await all_there(bus)
        assert await bus.kept_subjects(REPLIES, CHAT_REPLIES.at("*", "msg_1").subject) == []


async def test_a_server_with_an_empty_disk_gets_everything_again(mortal: Killable) -> None:
    """Streams, the store of files and the consumers: work goes on."""
    async with working(mortal) as (bus, handled):
        mortal.kill()
        await asyncio.to_thread(shutil.rmtree, mortal.server.command[-1])
        await asyncio.to_thread(mortal.start)
        await all_there(bus)
        await sent(bus, "src_after")
        await handled_now(handled, "src_after")


async def test_what_is_deleted_under_our_feet_is_created_again(mortal: Killable) -> None:
    """Without any lost connection: a consumer, then a stream that is written, then one read."""
    async with working(mortal) as (bus, handled):
        await open_request(bus)
        await bus.jetstream.delete_consumer(
            subjects.SOURCES.name, SOURCES_SUBMITTED.durable("test")
        )
        await sent(bus, "src_1")
        await handled_now(handled, "src_1")
        await bus.jetstream.delete_stream(subjects.SOURCES.name)
        await sent(bus, "src_2")
        await handled_now(handled, "src_2")
        await bus.jetstream.delete_stream(REPLIES.name)
        assert await bus.kept_subjects(REPLIES, "chat.replies.>") == []
        await all_there(bus)


async def test_a_request_to_a_consumer_that_was_gone_is_made_again(mortal: Killable) -> None:
    """NATS answers such a request with nothing at all."""
    async with working(mortal) as (bus, handled):
        await open_request(bus)
        mortal.kill()
        consumers = Path(mortal.server.command[-1]) / "jetstream/$G/streams/SOURCES/obs"
        await asyncio.to_thread(shutil.rmtree, consumers)
        await asyncio.to_thread(mortal.start)
        await sent(bus, "src_1")
        await handled_now(handled, "src_1")


async def test_what_another_release_has_changed_is_left_alone(mortal: Killable) -> None:
    """An old process must not undo what a new one changed, each time the connection is lost."""
    async with working(mortal) as (bus, _):
        info = await bus.jetstream.stream_info(subjects.DEAD.name)
        await bus.jetstream.update_stream(info.config.evolve(max_age=777.0))
        await bus.jetstream.delete_stream(REPLIES.name)
        with pytest.raises(NotFoundError):
            await bus.jetstream.stream_info(REPLIES.name)
        bus.restore.soon()
        await all_there(bus)
        info = await bus.jetstream.stream_info(subjects.DEAD.name)
        assert info.config.max_age == 777.0


async def test_a_process_can_stop_while_the_server_is_away(mortal: Killable) -> None:
    """Nothing can be handed over then, and that is no error."""

    async def nothing(_: GetAccount) -> AccountChanged:
        raise AssertionError("nobody asks")

    mortal.start()
    async with open_bus(mortal.server.url, "test") as bus:
        serve_call(bus, GET_ACCOUNT, nothing)
        await bus.start()
        mortal.kill()

        async def noticed() -> bool:
            return not bus.connected

        await eventually(noticed)
    assert bus.client.is_closed
