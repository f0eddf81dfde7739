"""The log of deliveries, and sending from it again."""

import json
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.bus.bus import Bus
from libs.bus.errors import FaultError
from libs.contracts import webhooks
from libs.contracts.queues import WEBHOOK_REPLAYS
from libs.contracts.webhooks import DeliveryRow
from libs.runtime.mongo import Database
from services.webhooks.sending.attempt import text_of
from tests.fakes.webhook_receiver import Answer, Receiver
from tests.waiting import eventually
from tests.webhooks.conftest import Owner
from tests.webhooks.happenings import AT, deleted, received

pytestmark = pytest.mark.usefixtures("service")


async def test_every_attempt_is_in_the_log(bus: Bus, owner: Owner, receiver: Receiver) -> None:
    """500, then 200: two attempts, each with its time, status, duration, answer and next try."""
    created = await owner.create(receiver.url("/hook"))
    receiver.script("/hook", Answer(500, body="out of order ₱".encode()), Answer(200, body=b"ok"))
    event = received(owner.agent_id)
    await bus.emit(event)
    [row] = await owner.logged(created.id, "succeeded")
    assert (row.webhook_id, row.event, row.test) == (event.event_id, "message.received", False)
    first, second = row.attempts
    assert (first.number, first.status, first.response) == (1, 500, "out of order ₱")
    assert first.next_attempt_at is not None
    assert first.at < first.next_attempt_at <= second.at
    assert (second.number, second.status, second.response) == (2, 200, "ok")
    assert (second.next_attempt_at, row.next_attempt_at) == (None, None)
    assert 0 <= first.ms < 5000
    found = await owner.delivery(created.id, row.id)
    assert found.delivery == row
    assert found.body.encode() == receiver.at("/hook")[0].body


async def test_what_gets_no_answer_says_why(bus: Bus, owner: Owner, receiver: Receiver) -> None:
    """A refused connection is an attempt without a status; after the last one it has failed."""
    del receiver
    created = await owner.create("http://127.0.0.1:9/nobody")
    await bus.emit(received(owner.agent_id))
    [row] = await owner.logged(created.id, "failed")
    assert [attempt.number for attempt in row.attempts] == [1, 2, 3, 4]
    assert {attempt.status for attempt in row.attempts} == {None}
    assert all("Connect" in attempt.problem for attempt in row.attempts)
    assert row.attempts[-1].next_attempt_at is None


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"plain", "plain"),
        (b"two\r\nlines\t", "two\r\nlines\t"),
        ("₱".encode()[:2], ""),
        ("cut in the middle ₱".encode()[:-1], "cut in the middle "),
        (b"\x00\x01", ""),
        (b"\x1b[31mred", ""),
        (b"\xff\xfe\xfd then text", ""),
        (b"", ""),
    ],
)
def test_only_text_is_kept_of_an_answer(body: bytes, text: str) -> None:
    """Nothing that a terminal or a page could trip over."""
    assert text_of(body) == text


@given(st.binary(max_size=200))
def test_no_answer_breaks_what_shows_it(body: bytes) -> None:
    """Whatever the bytes: characters that can be shown, and tabs and line ends."""
    assert all(one.isprintable() or one in "\t\r\n" for one in text_of(body))


@given(st.text(st.characters(categories=("L", "N", "P")), max_size=50), st.integers(0, 200))
def test_text_that_is_cut_anywhere_stays_text(text: str, length: int) -> None:
    """Also in the middle of a character."""
    kept = text_of(text.encode()[:length])
    assert text.startswith(kept)
    assert len(text.encode()[:length]) - len(kept.encode()) < 4


async def test_the_beginning_of_a_long_answer_is_kept(
    bus: Bus, owner: Owner, receiver: Receiver
) -> None:
    """WEBHOOK_RESPONSE_BYTES of it; nothing of what is packed."""
    created = await owner.create(receiver.url("/long"))
    packed = await owner.create(receiver.url("/packed"))
    receiver.script("/long", Answer(200, body=b"x" * 100_000))
    receiver.script("/packed", Answer(200, {"content-encoding": "gzip"}, b"really text"))
    await bus.emit(received(owner.agent_id))
    [row] = await owner.logged(created.id, "succeeded")
    assert row.attempts[0].response == "x" * 1024
    [row] = await owner.logged(packed.id, "succeeded")
    assert row.attempts[0].response == ""


async def test_the_log_is_paged_newest_first_and_by_status(
    bus: Bus, owner: Owner, receiver: Receiver
) -> None:
    """The cursor leads through all, each once; another endpoint's deliveries are not among them."""
    created = await owner.create(receiver.url("/hook"))
    await owner.create(receiver.url("/other"))
    receiver.script("/hook", 410)
    events = []
    for second in range(5):
        event = received(owner.agent_id, at=AT + timedelta(seconds=second))
        events.append(event.event_id)
        await bus.emit(event)
        if not second:
            await owner.logged(created.id, "failed")
            await owner.resume(created.id)
    await owner.logged(created.id, "failed", *["succeeded"] * 4)
    first = await owner.deliveries(created.id, limit=3)
    second_page = await owner.deliveries(created.id, limit=3, cursor=first.next_cursor)
    seen = [row.webhook_id for row in (*first.items, *second_page.items)]
    assert seen == events[::-1]
    assert second_page.next_cursor is None
    [failed] = (await owner.deliveries(created.id, status="failed")).items
    assert failed.webhook_id == events[0]


async def test_a_large_page_fits_in_a_message(bus: Bus, owner: Owner, receiver: Receiver) -> None:
    """A hundred deliveries with long answers: the page is cut, and the cursor leads on."""
    created = await owner.create(receiver.url("/hook"))
    receiver.always("/hook", Answer(500, body=b'"' * 1024))  # two characters each in JSON
    sent = [received(owner.agent_id) for _ in range(100)]
    for event in sent:
        await bus.emit(event)

    async def all_failed() -> bool:
        return len(await pages(owner, created.id, status="failed")) == len(sent)

    await eventually(all_failed)
    first = await owner.deliveries(created.id, limit=100)
    assert 0 < len(first.items) < len(sent)
    rows = await pages(owner, created.id)
    assert sorted(row.webhook_id for row in rows) == sorted(event.event_id for event in sent)


async def pages(owner: Owner, endpoint_id: str, **options: Any) -> list[DeliveryRow]:
    """The whole log of an endpoint."""
    rows: list[DeliveryRow] = []
    cursor = None
    while True:
        page = await owner.deliveries(endpoint_id, limit=100, cursor=cursor, **options)
        rows += page.items
        cursor = page.next_cursor
        if cursor is None:
            return rows


async def test_a_delivery_is_replayed_with_its_id(
    bus: Bus, owner: Owner, receiver: Receiver
) -> None:
    """The same id and body as often as it is asked for, each a new attempt in the log."""
    created = await owner.create(receiver.url("/hook"))
    event = received(owner.agent_id)
    await bus.emit(event)
    [row] = await owner.logged(created.id, "succeeded")
    for count in (2, 3):
        await owner.replay(created.id, row.id)
        requests = await receiver.wait_for("/hook", count)
    assert {one.headers["webhook-id"] for one in requests} == {event.event_id}
    assert len({one.body for one in requests}) == 1

    async def noted() -> bool:
        [row] = (await owner.deliveries(created.id)).items
        return [one.replay for one in row.attempts] == [False, True, True]

    await eventually(noted)


async def test_a_replay_takes_the_place_of_the_retries(
    bus: Bus, owner: Owner, receiver: Receiver
) -> None:
    """What was replayed before its next attempt was due is not sent once more then."""
    created = await owner.create(receiver.url("/hook"))
    marker = await owner.create(receiver.url("/marker"))
    receiver.script("/hook", Answer(503, {"retry-after": "1"}))
    receiver.script("/marker", Answer(503, {"retry-after": "2"}))
    await bus.emit(received(owner.agent_id))
    [row] = await owner.logged(created.id, "retrying")
    await owner.replay(created.id, row.id)
    await owner.logged(created.id, "succeeded")
    # The marker's retry is due after the other one's would have been.
    await owner.logged(marker.id, "succeeded")
    assert len(receiver.at("/hook")) == 2


async def test_all_that_failed_since_a_time_is_replayed(
    bus: Bus, owner: Owner, receiver: Receiver
) -> None:
    """What failed, and what waits for a retry; not what succeeded, nor what is older."""
    created = await owner.create(receiver.url("/hook"))
    receiver.always("/hook", 500)
    sent = []
    for minute in range(6):
        event = received(owner.agent_id, at=AT + timedelta(minutes=minute))
        sent.append(event.event_id)
        await bus.emit(event)
    await owner.logged(created.id, *["failed"] * 6)
    receiver.always("/hook", 200)
    good = received(owner.agent_id, at=AT + timedelta(minutes=7))
    await bus.emit(good)
    await owner.logged(created.id, *["failed"] * 6, "succeeded")
    before = len(receiver.at("/hook"))
    await owner.replay_failed(created.id, AT + timedelta(minutes=2))
    rows = await owner.logged(created.id, "failed", "failed", *["succeeded"] * 5)
    assert {row.webhook_id for row in rows if row.status == "failed"} == set(sent[:2])
    again = [one.headers["webhook-id"] for one in receiver.at("/hook")[before:]]
    assert sorted(again) == sorted(sent[2:])


async def test_a_replay_that_is_done_twice_sends_once(
    bus: Bus, owner: Owner, receiver: Receiver
) -> None:
    """As when its worker died in the middle: what had been queued is not queued again."""
    created = await owner.create(receiver.url("/hook"))
    receiver.always("/hook", 500)
    for second in range(5):
        await bus.emit(received(owner.agent_id, at=AT + timedelta(seconds=second)))
    rows = await owner.logged(created.id, *["failed"] * 5)
    receiver.always("/hook", 200)
    before = len(receiver.at("/hook"))
    replay = webhooks.Replay(
        replay_id="rpl_1",
        agent_id=owner.agent_id,
        endpoint_id=created.id,
        statuses=("retrying", "failed"),
        first=rows[-1].id,
        last=rows[1].id,
        account_id="acc_1",
    )
    for delivery in ("first", "second"):
        await bus.publish(WEBHOOK_REPLAYS.subject_of(replay), replay, delivery)
        await owner.logged(created.id, "failed", *["succeeded"] * 4)
    # The one that was not in its range is the last that is sent, so nothing else is to come.
    await owner.replay(created.id, rows[0].id)
    await owner.logged(created.id, *["succeeded"] * 5)
    assert len(receiver.at("/hook")) - before == 5


async def test_the_log_is_the_owners(bus: Bus, owner: Owner, receiver: Receiver) -> None:
    """Another agent finds neither the endpoint nor its deliveries; unknown ones are not there."""
    created = await owner.create(receiver.url("/hook"))
    await bus.emit(received(owner.agent_id))
    [row] = await owner.logged(created.id, "succeeded")
    stranger = Owner(bus)
    other = await owner.create(receiver.url("/other"))
    for asked in (
        stranger.deliveries(created.id),
        stranger.delivery(created.id, row.id),
        stranger.replay(created.id, row.id),
        stranger.replay_failed(created.id, AT),
        stranger.test(created.id),
        stranger.get(created.id),
        stranger.update(created.id, name="Mine"),
        stranger.pause(created.id),
        stranger.resume(created.id),
        stranger.rotate(created.id),
        owner.delivery(other.id, row.id),
        owner.replay(other.id, row.id),
        owner.replay(created.id, "dlv_unknown"),
    ):
        with pytest.raises(FaultError) as refusal:
            await asked
        assert refusal.value.fault.code == "not_found"


async def test_a_deleted_agent_leaves_no_log(
    bus: Bus, owner: Owner, receiver: Receiver, database: Database
) -> None:
    """What was said to its endpoints is gone; another agent's log stays."""
    created = await owner.create(receiver.url("/hook"))
    other = Owner(bus)
    kept = await other.create(receiver.url("/other"))
    for agent_id in (owner.agent_id, other.agent_id):
        await bus.emit(received(agent_id))
    await owner.logged(created.id, "succeeded")
    await other.logged(kept.id, "succeeded")
    await bus.emit(deleted(owner.agent_id))

    async def gone() -> bool:
        return await database["webhook_deliveries"].count_documents({}) == 1

    await eventually(gone)
    await other.logged(kept.id, "succeeded")


async def test_a_row_ends_after_the_days_of_the_setting(
    bus: Bus, owner: Owner, receiver: Receiver, database: Database
) -> None:
    """WEBHOOK_LOG_DAYS, by an index of Mongo's own."""
    created = await owner.create(receiver.url("/hook"))
    await bus.emit(received(owner.agent_id))
    [row] = await owner.logged(created.id, "succeeded")
    rows = database["webhook_deliveries"]
    stored = await rows.find_one({"_id": row.id})
    assert stored is not None
    kept = stored["expires_at"] - row.attempts[0].at
    assert timedelta(days=30) <= kept < timedelta(days=30, minutes=1)
    indexes = await rows.index_information()
    assert indexes["expires_at_1"]["expireAfterSeconds"] == 0


async def test_a_test_is_sent_once_and_flagged(owner: Owner, receiver: Receiver) -> None:
    """Whatever the endpoint subscribes to; a failure is not tried again and disables nothing."""
    created = await owner.create(receiver.url("/hook"), "message.sent")
    delivery_id = await owner.test(created.id, "credits.low")
    [request] = await receiver.wait_for("/hook")
    body = json.loads(request.body)
    assert (body["event"], body["test"]) == ("credits.low", True)
    [row] = await owner.logged(created.id, "succeeded")
    assert (row.id, row.test) == (delivery_id, True)
    receiver.script("/hook", 500)
    await owner.test(created.id)
    await owner.logged(created.id, "failed", "succeeded")
    receiver.script("/hook", 410)
    await owner.test(created.id)
    rows = await owner.logged(created.id, "failed", "failed", "succeeded")
    assert [len(row.attempts) for row in rows] == [1, 1, 1]
    assert not (await owner.get(created.id)).disabled
    with pytest.raises(FaultError, match=r"knows no 'message\.read'") as refusal:
        await owner.test(created.id, "message.read")
    assert refusal.value.fault.param == "event"
