"""What FastStream's broker knows of durable work, which is not pulled by its own subscribers."""

from typing import Any

from faststream import BaseMiddleware
from faststream.specification import AsyncAPI
from nats.aio.msg import Msg

from libs.bus.bus import Bus
from libs.contracts.queues import SOURCES_SUBMITTED
from tests.support.bus_worker import JOB, Worker
from tests.waiting import eventually


class Seen(BaseMiddleware[Any, Any]):
    """A middleware that notes what it sees, as metrics and traces do."""

    subjects: list[str] = []  # noqa: RUF012  # of all its instances: there is one a delivery

    async def on_receive(self) -> None:
        """Note a delivery."""
        assert isinstance(self.msg, Msg)
        self.subjects.append(self.msg.subject)
        await super().on_receive()


async def test_its_middlewares_see_each_delivery(bus: Bus) -> None:
    """Metrics and traces need nothing else; here the first delivery fails, so there are two."""
    worker = Worker(ValueError("once"))
    bus.broker.add_middleware(Seen)
    await bus.send(SOURCES_SUBMITTED, JOB)
    await worker.start(bus)

    async def handled() -> bool:
        return len(worker.seen) == 2

    await eventually(handled)
    assert Seen.subjects == [SOURCES_SUBMITTED.subject] * 2


async def test_its_own_document_names_the_queue(bus: Bus) -> None:
    """The one that we serve is made from the declarations, see docs/asyncapi.json."""
    await Worker().start(bus)
    assert SOURCES_SUBMITTED.pattern in AsyncAPI(bus.broker).to_specification().to_json()
