import hashlib
import hmac
import json
from contextlib import ExitStack
from itertools import pairwise

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from libs.bus.bus import Bus
from libs.contracts import subjects
from libs.contracts.queues import CACHE_INVALIDATED
from services.webhooks.app import run
from tests.fakes.webhook_receiver import WAIT, Answer, Receiver
from tests.waiting import eventually, nothing_waits
from tests.webhooks.conftest import Owner
from tests.webhooks.happenings import deleted, received

pytestmark = pytest.mark.usefixtures("service")


async def test_a_subscribed_event_arrives_as_documented(
    bus: Bus, owner: Owner, receiver: Receiver
) -> None:
    """The receiver gets the seed's envelope with our headers and the owner's."""
    await owner.create(receiver.url("/hook"), headers={"X-Shop-Token": "t0k3n"})
    event = received(owner.agent_id, "Hello, what are your business hours?")
    await bus.emit(event)
    [request] = await receiver.wait_for("/hook")
    assert json.loads(request.body) == {
        "event": "message.received",
        "id": event.event_id,
        "agent_id": owner.agent_id,
        "timestamp": "2026-01-23T10:00:00Z",
        "data": {
            "conversation_id": "conv_abc123",
            "message_id": event.message_id,
            "message": "Hello, what are your business hours?",
        },
    }
    assert request.headers["content-type"] == "application/json"
    assert request.headers["user-agent"] == "Alonchat-Webhooks/1"
    assert request.headers["x-shop-token"] == "t0k3n"
    assert request.headers["webhook-id"] == event.event_id


async def test_the_official_library_accepts_the_signature(
    bus: Bus, owner: Owner, receiver: Receiver
) -> None:
    """Standard Webhooks: the right secret verifies, another body does not."""
    created = await owner.create(receiver.url("/hook"))
    await bus.emit(received(owner.agent_id, "Magkano po? ₱ 🙂"))
    [request] = await receiver.wait_for("/hook")
    official = Webhook(created.secret_key)
    assert official.verify(request.body, request.headers)["data"]["message"] == "Magkano po? ₱ 🙂"
    with pytest.raises(WebhookVerificationError):
        official.verify(request.body + b" ", request.headers)


async def test_the_vendors_recipe_accepts_the_signature(
    bus: Bus, owner: Owner, receiver: Receiver
) -> None:
    """`x-alonchat-signature` is the hex HMAC-SHA256 of the raw body, keyed with the secret."""
    created = await owner.create(receiver.url("/hook"))
    await bus.emit(received(owner.agent_id))
    [request] = await receiver.wait_for("/hook")
    digest = hmac.new(created.secret_key.encode(), request.body, hashlib.sha256).hexdigest()
    assert request.headers["x-alonchat-signature"] == f"sha256={digest}"


async def test_only_what_was_subscribed_to_arrives(
    bus: Bus, owner: Owner, receiver: Receiver
) -> None:
    """Another event, and another agent's event, are not delivered."""
    await owner.create(receiver.url("/other-event"), "message.sent")
    await owner.create(receiver.url("/hook"))
    await bus.emit(received("agent_of_somebody_else"))
    event = received(owner.agent_id)
    await bus.emit(event)
    await receiver.wait_for("/hook")
    assert [one.headers["webhook-id"] for one in receiver.received] == [event.event_id]


async def test_an_event_published_twice_is_delivered_once(
    bus: Bus, owner: Owner, receiver: Receiver
) -> None:
    """The event's id and the endpoint name the delivery, so a repeated fan-out adds nothing."""
    await owner.create(receiver.url("/hook"))
    event = received(owner.agent_id)
    # Another id for the log, so that it is our own key that is at work.
    for publication in ("first", "second"):
        await bus.publish(f"events.message.received.{event.message_id}", event, publication)
    await receiver.wait_for("/hook")
    await eventually(lambda: nothing_waits(bus))
    assert [one.headers["webhook-id"] for one in receiver.at("/hook")] == [event.event_id]


async def test_a_failure_is_retried_with_the_same_id(
    bus: Bus, owner: Owner, receiver: Receiver
) -> None:
    """500, then 200: the same id and body, each attempt signed at its own time."""
    created = await owner.create(receiver.url("/hook"))
    receiver.script("/hook", 500, 503)
    event = received(owner.agent_id)
    await bus.emit(event)
    requests = await receiver.wait_for("/hook", 3)
    assert {one.headers["webhook-id"] for one in requests} == {event.event_id}
    assert len({one.body for one in requests}) == 1
    for one in requests:
        Webhook(created.secret_key).verify(one.body, one.headers)
    gaps = [later.at - sooner.at for sooner, later in pairwise(requests)]
    assert gaps[0] >= 0.04
    assert gaps[1] >= 0.08


async def test_the_last_failure_ends_in_the_dead_letters(
    bus: Bus, owner: Owner, receiver: Receiver
) -> None:
    """After the schedule's last attempt the delivery is kept for an operator, not tried again."""
    created = await owner.create(receiver.url("/dead"))
    receiver.always("/dead", 500)
    event = received(owner.agent_id)
    dead = await bus.jetstream.subscribe(
        f"dead.webhooks.deliveries.{created.id}", stream=subjects.DEAD.name
    )
    await bus.emit(event)
    letter = await dead.next_msg(timeout=WAIT)
    assert event.event_id.encode() in letter.data
    assert len(receiver.at("/dead")) == 4


async def test_a_redirect_is_a_failure(bus: Bus, owner: Owner, receiver: Receiver) -> None:
    """A redirect is not followed, and the delivery comes again."""
    await owner.create(receiver.url("/moved"))
    receiver.script("/moved", Answer(302, {"location": receiver.url("/elsewhere")}))
    await bus.emit(received(owner.agent_id))
    await receiver.wait_for("/moved", 2)
    assert receiver.at("/elsewhere") == []


async def test_retry_after_is_honoured(bus: Bus, owner: Owner, receiver: Receiver) -> None:
    """A receiver that asks for a second is left alone for one."""
    await owner.create(receiver.url("/hook"))
    receiver.script("/hook", Answer(429, {"retry-after": "1"}))
    await bus.emit(received(owner.agent_id))
    first, second = await receiver.wait_for("/hook", 2)
    assert second.at - first.at >= 0.95


async def test_gone_disables_the_endpoint(bus: Bus, owner: Owner, receiver: Receiver) -> None:
    """410: nothing is sent there again, and its owner sees it in the list."""
    await owner.create(receiver.url("/gone"))
    await owner.create(receiver.url("/healthy"))
    receiver.always("/gone", 410)
    changes = await bus.client.subscribe(CACHE_INVALIDATED.subject)
    await bus.emit(received(owner.agent_id))
    await changes.next_msg(timeout=WAIT)
    await changes.unsubscribe()
    assert [one.disabled for one in await owner.list()] == [False, True]
    await bus.emit(received(owner.agent_id))
    await receiver.wait_for("/healthy", 2)
    assert len(receiver.at("/gone")) == 1


async def test_what_waits_for_a_disabled_endpoint_is_dropped(
    bus: Bus, owner: Owner, receiver: Receiver
) -> None:
    """A retry that is due after another delivery met a 410 is not made."""
    await owner.create(receiver.url("/gone"))
    await owner.create(receiver.url("/healthy"))
    receiver.script("/gone", Answer(503, {"retry-after": "1"}), 410)
    receiver.script("/healthy", Answer(503, {"retry-after": "2"}))
    for count in (1, 2):
        await bus.emit(received(owner.agent_id))
        await receiver.wait_for("/gone", count)
    # The healthy one's retry is due after the disabled one's would have been.
    await receiver.wait_for("/healthy", 3)
    assert len(receiver.at("/gone")) == 2


async def test_a_deleted_endpoint_gets_nothing_more(
    bus: Bus, owner: Owner, receiver: Receiver
) -> None:
    """Neither new events nor the retries that wait for it."""
    created = await owner.create(receiver.url("/deleted"))
    await owner.create(receiver.url("/healthy"))
    receiver.script("/deleted", Answer(503, {"retry-after": "1"}))
    receiver.script("/healthy", Answer(503, {"retry-after": "2"}))
    await bus.emit(received(owner.agent_id))
    await receiver.wait_for("/deleted")
    await owner.delete(created.id)
    await bus.emit(received(owner.agent_id))
    # The healthy one's retry is due after the deleted one's would have been.
    await receiver.wait_for("/healthy", 3)
    assert len(receiver.at("/deleted")) == 1


async def test_a_deleted_agent_leaves_no_endpoints(
    bus: Bus, owner: Owner, receiver: Receiver
) -> None:
    """The endpoints go with their agent, and only with theirs."""
    await owner.create(receiver.url("/hook"))
    other = Owner(bus)
    await other.create(receiver.url("/other"))
    changes = await bus.client.subscribe(CACHE_INVALIDATED.subject)
    await bus.emit(deleted(owner.agent_id))
    await changes.next_msg(timeout=WAIT)
    assert await owner.list() == ()
    assert len(await other.list()) == 1


async def test_a_hanging_endpoint_delays_nobody(bus: Bus, owner: Owner, receiver: Receiver) -> None:
    """While one endpoint hangs with a backlog, every event reaches the other one."""
    await owner.create(receiver.url("/hangs"))
    await owner.create(receiver.url("/healthy"))
    with receiver.hanging("/hangs"):
        sent = [received(owner.agent_id) for _ in range(300)]
        for event in sent:
            await bus.emit(event)
        await receiver.wait_for("/healthy", len(sent))  # while the other one is still hanging
        assert receiver.most_open["/hangs"] == 10
    await receiver.wait_until(  # ten at a time
        lambda: len(ids(receiver, "/hangs")) == len(sent), patience=2 * WAIT
    )
    assert ids(receiver, "/healthy") == {event.event_id for event in sent}


async def test_many_hanging_endpoints_leave_places_for_others(bus: Bus, receiver: Receiver) -> None:
    """Fifty that hang, with more waiting than there are places: the healthy one is not delayed."""
    hanging = [f"/hangs/{number}" for number in range(50)]
    owners = [Owner(bus) for _ in range(5)]
    for number, path in enumerate(hanging):
        await owners[number % 5].create(receiver.url(path))
    healthy = Owner(bus)
    await healthy.create(receiver.url("/healthy"))
    with ExitStack() as stack:
        for path in hanging:
            stack.enter_context(receiver.hanging(path))
        for owner in owners:
            for _ in range(40):
                await bus.emit(received(owner.agent_id))
        await receiver.wait_until(lambda: all(receiver.open[path] for path in hanging))
        sent = [received(healthy.agent_id) for _ in range(100)]
        for event in sent:
            await bus.emit(event)
        await receiver.wait_for("/healthy", len(sent))  # while all the others are hanging
        assert sum(receiver.open[path] for path in hanging) < 500
    assert ids(receiver, "/healthy") == {event.event_id for event in sent}


async def test_an_endless_response_is_cut_off(bus: Bus, owner: Owner, receiver: Receiver) -> None:
    """A 200 counts as delivered, however much body comes behind it."""
    await owner.create(receiver.url("/endless"))
    receiver.script("/endless", Answer(200, body=b"x" * 65_536, endless=True))
    await bus.emit(received(owner.agent_id))
    await receiver.wait_for("/endless")
    await receiver.wait_until(lambda: receiver.open["/endless"] == 0)
    assert receiver.written["/endless"] < 10_000_000  # what fits in the buffers on the way
    await bus.emit(received(owner.agent_id))
    await receiver.wait_for("/endless", 2)
    assert len(ids(receiver, "/endless")) == 2


async def test_cookies_of_a_receiver_are_not_kept(
    bus: Bus, owner: Owner, receiver: Receiver
) -> None:
    """What one endpoint's server sets is not sent to another endpoint of the same host."""
    await owner.create(receiver.url("/sets"))
    receiver.script("/sets", Answer(200, {"set-cookie": "session=1; Path=/"}))
    await bus.emit(received(owner.agent_id))
    await receiver.wait_for("/sets")
    await bus.emit(received(owner.agent_id))
    _, second = await receiver.wait_for("/sets", 2)
    assert "cookie" not in second.headers


async def test_two_replicas_share_the_work(bus: Bus, owner: Owner, receiver: Receiver) -> None:
    """Each event is delivered once, and an endpoint made at one replica is known to the other."""
    async with run():
        await owner.create(receiver.url("/before"))
        await bus.emit(received(owner.agent_id))
        await receiver.wait_for("/before")
        await owner.create(receiver.url("/shared"))
        sent = [received(owner.agent_id) for _ in range(100)]
        for event in sent:
            await bus.emit(event)
        requests = await receiver.wait_for("/shared", len(sent))
    assert len(requests) == len(sent)
    assert ids(receiver, "/shared") == {event.event_id for event in sent}


def ids(receiver: Receiver, path: str) -> set[str]:
    """The events that have arrived at a path."""
    return {one.headers["webhook-id"] for one in receiver.at(path)}
