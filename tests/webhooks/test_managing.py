"""Changing, pausing and resuming endpoints, their secrets, and the end of those that don't work."""

import hashlib
import hmac
import json
from typing import Any

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from libs.bus.bus import Bus
from libs.bus.errors import FaultError
from libs.contracts.events import CreditsLow
from libs.runtime.ids import new_id
from libs.runtime.mongo import Database
from services.webhooks.app import run
from tests.fakes.webhook_receiver import Answer, Receiver
from tests.waiting import eventually
from tests.webhooks.conftest import Owner
from tests.webhooks.happenings import AT, received


@pytest.mark.usefixtures("service")
class TestUpdate:
    """PATCH of an endpoint."""

    async def test_what_is_given_changes_and_the_rest_stays(self, owner: Owner) -> None:
        """Each field alone; the secret stays."""
        created = await owner.create("http://127.0.0.1:9/a", headers={"X-A": "a"}, description="d")
        every: tuple[dict[str, Any], ...] = (
            {"name": "New"},
            {"endpoint_url": "http://127.0.0.1:9/b"},
            {"events": ("message.sent", "credits.low")},
            {"description": ""},
            {"custom_headers": {}},
        )
        for changes in every:
            before = await owner.get(created.id)
            after = await owner.update(created.id, **changes)
            [name] = changes
            assert getattr(after, name) == changes[name]
            assert before != after
            for other in after.__struct_fields__:
                assert other == name or getattr(after, other) == getattr(before, other)
        assert await owner.get(created.id) == after

    async def test_a_change_is_held_to_the_same_rules(self, owner: Owner) -> None:
        """A refused change changes nothing, not even the fields that were right."""
        created = await owner.create("http://127.0.0.1:9/a")
        before = await owner.get(created.id)
        for field, value in {
            "name": "",
            "endpoint_url": "ftp://example.com/",
            "events": (),
            "description": "x" * 501,
            "custom_headers": {"Host": "internal"},
        }.items():
            changes = {"name": "New", field: value}
            with pytest.raises(FaultError) as refusal:
                await owner.update(created.id, **changes)
            assert (refusal.value.fault.code, refusal.value.fault.param) == ("invalid", field)
        assert await owner.get(created.id) == before

    async def test_what_waits_goes_to_the_new_url(
        self, bus: Bus, owner: Owner, receiver: Receiver
    ) -> None:
        """The retry of a delivery that failed at the old one."""
        created = await owner.create(receiver.url("/old"))
        receiver.always("/old", Answer(503, {"retry-after": "1"}))
        await bus.emit(received(owner.agent_id))
        await receiver.wait_for("/old")
        await owner.update(
            created.id, endpoint_url=receiver.url("/new"), custom_headers={"X-New": "1"}
        )
        [request] = await receiver.wait_for("/new")
        assert request.headers["x-new"] == "1"


@pytest.mark.usefixtures("service")
class TestPause:
    """Nothing is sent, nothing is lost."""

    async def test_what_happens_while_paused_is_sent_when_resumed(
        self, bus: Bus, owner: Owner, receiver: Receiver
    ) -> None:
        """New events and due retries are held; each arrives once."""
        created = await owner.create(receiver.url("/hook"))
        receiver.script("/hook", Answer(503, {"retry-after": "2"}))
        early = received(owner.agent_id)
        await bus.emit(early)
        await receiver.wait_for("/hook")
        assert (await owner.pause(created.id)).paused
        sent = [received(owner.agent_id) for _ in range(5)]
        for event in sent:
            await bus.emit(event)
        await owner.logged(created.id, *["held"] * 6)
        assert len(receiver.at("/hook")) == 1
        assert not (await owner.resume(created.id)).paused
        await owner.logged(created.id, *["succeeded"] * 6)
        ids = [one.headers["webhook-id"] for one in receiver.at("/hook")[1:]]
        assert sorted(ids) == sorted(event.event_id for event in (early, *sent))

    async def test_who_has_not_heard_of_the_resuming_puts_nothing_aside(
        self, bus: Bus, owner: Owner, receiver: Receiver, database: Database
    ) -> None:
        """A process that still takes the endpoint for paused when the held ones were sent."""
        created = await owner.create(receiver.url("/hook"))
        await owner.pause(created.id)
        await bus.emit(received(owner.agent_id))
        await owner.logged(created.id, "held")  # so it is remembered as paused
        await database["webhook_endpoints"].update_one(
            {"_id": created.id}, {"$set": {"paused": False}}
        )
        event = received(owner.agent_id)
        await bus.emit(event)
        [request] = await receiver.wait_for("/hook")
        assert request.headers["webhook-id"] == event.event_id

    async def test_a_test_reaches_a_paused_endpoint(self, owner: Owner, receiver: Receiver) -> None:
        """To try it before it is resumed."""
        created = await owner.create(receiver.url("/hook"))
        await owner.pause(created.id)
        await owner.test(created.id)
        await receiver.wait_for("/hook")

    async def test_pausing_and_resuming_under_load_loses_nothing(
        self, bus: Bus, owner: Owner, receiver: Receiver
    ) -> None:
        """However events, pauses and resumes mix, every event is delivered in the end."""
        created = await owner.create(receiver.url("/hook"))
        sent = []
        async with run():  # a second process, that learns of it from the first
            for _ in range(10):
                for _ in range(20):
                    event = received(owner.agent_id)
                    sent.append(event.event_id)
                    await bus.emit(event)
                await owner.pause(created.id)
                await owner.resume(created.id)

            async def all_there() -> bool:
                ids = {one.headers["webhook-id"] for one in receiver.at("/hook")}
                return ids == set(sent)

            await eventually(all_there)


@pytest.mark.usefixtures("service")
class TestRotation:
    """A new secret, and the old one beside it for a while."""

    async def test_both_secrets_verify_during_the_overlap(
        self, bus: Bus, owner: Owner, receiver: Receiver
    ) -> None:
        """The vendor's header is signed with the new one, a second header with the old."""
        created = await owner.create(receiver.url("/hook"))
        rotated = await owner.rotate(created.id)
        assert rotated.secret_key != created.secret_key
        await bus.emit(received(owner.agent_id))
        [request] = await receiver.wait_for("/hook")
        for secret in (created.secret_key, rotated.secret_key):
            Webhook(secret).verify(request.body, request.headers)
        for header, secret in (
            ("x-alonchat-signature", rotated.secret_key),
            ("x-alonchat-signature-previous", created.secret_key),
        ):
            digest = hmac.new(secret.encode(), request.body, hashlib.sha256).hexdigest()
            assert request.headers[header] == f"sha256={digest}"
        shown = await owner.get(created.id)
        assert shown.secret_key == f"whsec_…{rotated.secret_key[-4:]}"
        assert shown.previous_secret_until == rotated.previous_secret_until

    async def test_without_an_overlap_the_old_secret_ends_at_once(
        self, bus: Bus, owner: Owner, receiver: Receiver
    ) -> None:
        """For a secret that leaked."""
        created = await owner.create(receiver.url("/hook"))
        rotated = await owner.rotate(created.id, overlap=0)
        await bus.emit(received(owner.agent_id))
        [request] = await receiver.wait_for("/hook")
        Webhook(rotated.secret_key).verify(request.body, request.headers)
        with pytest.raises(WebhookVerificationError):
            Webhook(created.secret_key).verify(request.body, request.headers)
        assert "x-alonchat-signature-previous" not in request.headers
        assert (await owner.get(created.id)).previous_secret_until is None


@pytest.mark.usefixtures("settings")
class TestFailing:
    """An endpoint that has not worked for WEBHOOK_DISABLE_AFTER seconds."""

    async def test_it_is_disabled_and_its_owner_told(
        self, bus: Bus, owner: Owner, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """By an event to the other endpoints, once, and in the API; what waits has failed."""
        monkeypatch.setenv("WEBHOOK_DISABLE_AFTER", "0.5")
        async with run():
            created = await owner.create(receiver.url("/dead"), name="Dead")
            told = await owner.create(receiver.url("/told"), "webhook.disabled")
            receiver.always("/dead", 500)

            async def disabled() -> bool:
                await bus.emit(received(owner.agent_id))
                return (await owner.get(created.id)).disabled

            await eventually(disabled)
            [request] = await receiver.wait_for("/told")
            data = json.loads(request.body)["data"]
            shown = await owner.get(created.id)
            assert (shown.disabled_reason, shown.disabled) == ("failing", True)
            assert shown.failing_since is not None
            assert (data["webhook_id"], data["reason"]) == (created.id, "failing")
            assert (data["name"], data["endpoint_url"]) == ("Dead", receiver.url("/dead"))

            async def all_failed() -> bool:
                rows = (await owner.deliveries(created.id, limit=100)).items
                return all(row.status == "failed" for row in rows)

            await eventually(all_failed)
            assert len(receiver.at("/told")) == 1
            assert not (await owner.get(told.id)).disabled

            with pytest.raises(FaultError) as refusal:
                await owner.replay_failed(created.id, AT)
            assert refusal.value.fault.code == "conflict"
            receiver.always("/dead", 200)
            resumed = await owner.resume(created.id)
            assert (resumed.disabled, resumed.failing_since) == (False, None)
            rows = (await owner.deliveries(created.id, limit=100)).items
            await owner.replay_failed(created.id, AT)
            await owner.logged(created.id, *["succeeded"] * len(rows))

    async def test_a_success_ends_the_failing(
        self, bus: Bus, owner: Owner, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """It is visible while it lasts, and the time counts anew after it."""
        monkeypatch.setenv("WEBHOOK_RETRY_DELAYS", "0.05,0.5,0.5")
        async with run():
            created = await owner.create(receiver.url("/hook"))
            receiver.script("/hook", 500, 500)
            await bus.emit(received(owner.agent_id))

            async def failing() -> bool:
                return (await owner.get(created.id)).failing_since is not None

            await eventually(failing)
            await owner.logged(created.id, "succeeded")
            assert not await failing()

    async def test_gone_is_told_too(self, bus: Bus, owner: Owner, receiver: Receiver) -> None:
        """410, by several deliveries at once: one event."""
        async with run():
            created = await owner.create(receiver.url("/gone"))
            await owner.create(receiver.url("/told"), "webhook.disabled", "message.received")
            receiver.always("/gone", 410)
            with receiver.hanging("/gone"):
                for _ in range(5):
                    await bus.emit(received(owner.agent_id))
                await receiver.wait_for("/gone", 5)
            [told] = await receiver.wait_for_event("/told", "webhook.disabled")
            assert json.loads(told.body)["data"]["reason"] == "gone"
            await owner.logged(created.id, *["failed"] * 5)
            last = received(owner.agent_id)
            await bus.emit(last)
            await receiver.wait_until(
                lambda: any(one.headers["webhook-id"] == last.event_id for one in receiver.received)
            )
            assert len(await receiver.wait_for_event("/told", "webhook.disabled")) == 1


@pytest.mark.usefixtures("service")
async def test_an_event_of_the_account_reaches_all_of_its_agents(
    bus: Bus, receiver: Receiver
) -> None:
    """Each endpoint of the account that wants it, and none of another account."""
    first = Owner(bus)
    second = Owner(bus, account_id=first.account_id)
    stranger = Owner(bus)
    for number, one in enumerate((first, second, stranger)):
        await one.create(receiver.url(f"/{number}"), "credits.low", "message.received")
    event = CreditsLow(
        event_id=new_id("evt"),
        account_id=first.account_id,
        agent_id=first.agent_id,
        at=AT,
        available=9,
        threshold=10,
    )
    await bus.emit(event)
    await bus.emit(received(stranger.agent_id))
    for path, one in (("/0", first), ("/1", second)):
        [request] = await receiver.wait_for(path)
        body = json.loads(request.body)
        assert (body["agent_id"], body["id"]) == (one.agent_id, event.event_id)
    [request] = await receiver.wait_for("/2")
    assert json.loads(request.body)["event"] == "message.received"
