import base64

import pytest

from libs.bus.bus import Bus
from libs.bus.errors import FaultError
from libs.contracts import calls
from services.webhooks.request.body import OFFERED
from tests.webhooks.conftest import Owner

pytestmark = pytest.mark.usefixtures("service")

URL = "http://127.0.0.1:9/hook"


async def test_a_new_endpoint_has_a_secret_that_is_shown_once(owner: Owner) -> None:
    """The secret is 256 bits in base64; in the list only its last four characters are left."""
    created = await owner.create(
        URL,
        "message.received",
        "source.ready",
        name="  Orders  ",
        headers={"Authorization": "Bearer abcdef"},
        description="first line\nsecond line",
    )
    prefix, encoded = created.secret_key.split("_", 1)
    assert prefix == "whsec"
    assert len(base64.b64decode(encoded, validate=True)) == 32
    [shown] = await owner.list()
    assert shown.id == created.id
    assert shown.agent_id == owner.agent_id
    assert shown.name == "Orders"
    assert shown.endpoint_url == URL
    assert shown.events == ("message.received", "source.ready")
    assert shown.description == "first line\nsecond line"
    assert shown.custom_headers == {"Authorization": "…"}
    assert shown.secret_key == f"whsec_…{created.secret_key[-4:]}"
    assert not shown.disabled


async def test_endpoints_are_listed_newest_first_and_by_agent(bus: Bus, owner: Owner) -> None:
    """An owner sees the endpoints of the agent that was asked for, and no others."""
    older = await owner.create(URL)
    newer = await owner.create(URL)
    assert [one.id for one in await owner.list()] == [newer.id, older.id]
    assert await Owner(bus).list() == ()


async def test_what_is_not_there_cannot_be_deleted(bus: Bus, owner: Owner) -> None:
    """An unknown id, another agent's endpoint, and a deleted one are all not found."""
    created = await owner.create(URL)
    for somebody, endpoint_id in ((owner, "wh_unknown"), (Owner(bus), created.id)):
        with pytest.raises(FaultError) as refusal:
            await somebody.delete(endpoint_id)
        assert refusal.value.fault.code == "not_found"
    await owner.delete(created.id)
    with pytest.raises(FaultError):
        await owner.delete(created.id)
    assert await owner.list() == ()


async def refused(owner: Owner, field: str | None, **wrong: object) -> str:
    """Try to create an endpoint; return why it was refused, having checked the blamed field."""
    names = wrong.pop("events", ("message.received",))
    assert isinstance(names, tuple)
    url = str(wrong.pop("url", URL))
    with pytest.raises(FaultError) as refusal:
        await owner.create(url, *names, **wrong)  # type: ignore[arg-type] # wrong on purpose
    assert refusal.value.fault.code == "invalid"
    assert refusal.value.fault.param == field
    assert await owner.list() == ()
    return refusal.value.fault.message


@pytest.mark.parametrize("name", ["", "   ", "x" * 101, "two\nlines", "nul\x00", "sep\u2028arator"])
async def test_a_name_must_be_one_short_line(owner: Owner, name: str) -> None:
    """1 to 100 characters without control characters."""
    await refused(owner, "name", name=name)


@pytest.mark.parametrize("description", ["x" * 501, "bell\x07"])
async def test_a_description_is_short_text(owner: Owner, description: str) -> None:
    """Up to 500 characters."""
    await refused(owner, "description", description=description)


@pytest.mark.parametrize("name", ["message.read", "agent.deleted", "message.received.v1", "*", ""])
async def test_only_offered_events_can_be_subscribed_to(owner: Owner, name: str) -> None:
    """The refusal lists what there is."""
    message = await refused(owner, "events", events=("message.sent", name))
    assert all(offered in message for offered in OFFERED)


async def test_an_event_named_twice_counts_once(owner: Owner) -> None:
    """The list of events is a set."""
    await owner.create(URL, "message.sent", "message.sent")
    assert (await owner.list())[0].events == ("message.sent",)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("X-A", "b\r\nX-Injected: 1"),
        ("X-A", "b\nX-Injected: 1"),
        ("X-A", "b\rc"),
        ("X-A", "b\x00"),
        ("X-A", "caf\u00e9"),
        ("X-A", "\u2028"),
        ("X-A", ""),
        ("X-A", " b"),
        ("X-A", "b\t"),
        ("X-A\r\nX-Injected", "b"),
        ("X-A: 1", "b"),
        ("X A", "b"),
        ("", "b"),
        ("H\u00e9ader", "b"),
        ("X" * 101, "b"),
        ("X-AlonChat-Signature", "sha256=00"),
        ("X-AlonChat-Anything", "b"),
        ("Webhook-Id", "b"),
        ("webhook-signature", "b"),
        ("WEBHOOK-TIMESTAMP", "1"),
        ("Host", "internal"),
        ("Content-Length", "0"),
        ("Content-Type", "text/plain"),
        ("Content-Encoding", "gzip"),
        ("Transfer-Encoding", "chunked"),
        ("User-Agent", "b"),
        ("Connection", "close"),
        ("Upgrade", "h2c"),
        ("Expect", "100-continue"),
        ("Proxy-Authorization", "b"),
        ("X-Forwarded-For", "127.0.0.1"),
        ("Cookie", "a=b"),
    ],
)
async def test_a_header_cannot_inject_or_replace_ours(owner: Owner, name: str, value: str) -> None:
    """No line breaks or control characters, and none of the names that are not the owner's."""
    await refused(owner, "custom_headers", headers={name: value})


async def test_headers_are_bounded(owner: Owner) -> None:
    """Ten headers, 4,096 bytes together, and no name twice."""
    await refused(owner, "custom_headers", headers={f"X-{n}": "b" for n in range(11)})
    await refused(owner, "custom_headers", headers={"X-A": "b" * 4094})
    await refused(owner, "custom_headers", headers={"X-A": "b", "x-a": "c"})
    await owner.create(URL, headers={"X-A": "b" * 4093})


async def test_a_refused_header_value_is_not_repeated(owner: Owner) -> None:
    """It may be a credential; the refusal ends in logs."""
    message = await refused(owner, "custom_headers", headers={"X-A": "secret\nvalue"})
    assert "secret" not in message


async def test_an_agent_has_at_most_ten_endpoints(owner: Owner) -> None:
    """The eleventh is refused; it fits after one was deleted."""
    created = [await owner.create(URL) for _ in range(10)]
    with pytest.raises(FaultError, match="10 webhooks"):
        await owner.create(URL)
    await owner.delete(created[0].id)
    await owner.create(URL)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "hook",
        "/hook",
        "//example.com/hook",
        "https://",
        "https:///hook",
        "ftp://example.com/",
        "file:///etc/passwd",
        "gopher://example.com/",
        "javascript:alert(1)",
        "https://user:password@example.com/",
        "https://exam ple.com/",
        "https://example.com\r\nX-Injected: 1/",
        "https://example.com:99999/",
        "https://example.com:port/",
        "https://[::1/",
        "https://example.com/" + "x" * 2000,
    ],
)
async def test_a_url_must_be_a_plain_web_address(owner: Owner, url: str) -> None:
    """Not even development allows these."""
    await refused(owner, "endpoint_url", url=url)


async def test_the_probe_tries_mongo(bus: Bus) -> None:
    """The health of the service is that of its database."""
    health = await bus.call(calls.probe("webhooks"), calls.Probe())
    assert [(one.name, one.ok) for one in health.dependencies] == [("mongo", True)]
