"""Connections go to allowed addresses only, whatever the URL looks like."""

import asyncio
import ssl
import threading
from collections.abc import AsyncIterator
from ipaddress import ip_network

import httpx
import pytest
import trustme

from libs.egress.resolve import ResolveError, Resolver, looking_up_for
from libs.egress.safe_transport import UnsafeAddress, open_client
from libs.egress.safe_url import any_of, is_loopback, is_public, public_or_in
from tests.fakes.webhook_receiver import Receiver, running_receiver
from tests.support.refused_urls import REFUSED_URLS

PUBLIC = [
    "8.8.8.8",
    "1.1.1.1",
    "93.184.215.14",
    "2606:4700:4700::1111",
    "64:ff9b::808:808",
    "::ffff:8.8.8.8",
]


@pytest.fixture(scope="module")
def resolver() -> Resolver:
    """The real resolver."""
    return Resolver()


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    """A server that must not be reached unless allowed."""
    async with running_receiver() as receiver:
        yield receiver


@pytest.mark.parametrize("url", REFUSED_URLS[1:])
async def test_no_spelling_of_a_private_target_is_connected_to(
    url: str, resolver: Resolver
) -> None:
    """The check at connect time stands alone: nothing goes out even if creation let it pass."""
    async with open_client(resolver, allowed=is_public, connect_timeout=2.0) as client:
        with pytest.raises((httpx.ConnectError, httpx.InvalidURL)) as refusal:
            await client.post(url)
    cause = refusal.value.__cause__
    unreachable = "example.com" in url or "invalid" in url or "%" in url
    assert unreachable or isinstance(refusal.value, httpx.InvalidURL) or is_refusal(cause)


def is_refusal(cause: BaseException | None) -> bool:
    """Whether it was our check that said no."""
    return isinstance(cause, UnsafeAddress)


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_are_let_through(address: str) -> None:
    """The check does not refuse the internet, its IPv4 in IPv6 clothes included."""
    assert is_public(address)


class Rebinding(Resolver):
    """A name server that answers differently each time."""

    def __init__(self, *answers: list[str]) -> None:
        super().__init__()
        self._answers = list(answers)

    async def addresses(self, host: str, timeout: float | None) -> list[str]:
        """Return the next answer."""
        del host, timeout
        return self._answers.pop(0)


@pytest.mark.parametrize("second", [["127.0.0.1"], ["8.8.8.8", "127.0.0.1"], ["::ffff:10.0.0.1"]])
async def test_a_name_that_turns_private_is_refused_at_connect_time(
    second: list[str], receiver: Receiver
) -> None:
    """DNS rebinding: what is connected to is what was checked, so the second answer is refused."""
    resolver = Rebinding(["8.8.8.8"], second)
    assert all(map(is_public, await resolver.addresses("rebind.example", None)))
    async with open_client(resolver, allowed=is_public, connect_timeout=2.0) as client:
        with pytest.raises(httpx.ConnectError, match="not public"):
            await client.post(receiver.url("/hook").replace("127.0.0.1", "rebind.example"))
    assert receiver.received == []


async def test_the_next_address_is_tried_when_the_first_does_not_answer(
    receiver: Receiver,
) -> None:
    """A name with several addresses is reachable while one of them is."""
    resolver = Rebinding(["127.0.0.2", "127.0.0.1"])
    async with open_client(resolver, allowed=is_loopback, connect_timeout=2.0) as client:
        answer = await client.post(receiver.url("/hook").replace("127.0.0.1", "two.example"))
    assert answer.status_code == 200


async def test_tls_is_checked_against_the_name_not_the_address() -> None:
    """The connection goes to a checked address, the certificate must still be the name's."""
    authority = trustme.CA()
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(server)
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    async with (
        running_receiver(server) as receiver,
        open_client(
            Rebinding(["127.0.0.1"], ["127.0.0.1"]),
            allowed=is_loopback,
            connect_timeout=5.0,
            tls=trusting,
        ) as client,
    ):
        assert (await client.post(receiver.url("/hook"))).status_code == 200
        with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
            await client.post(receiver.url("/hook").replace("localhost", "other.example"))


class Hanging(Resolver):
    """The system's resolver, but for names that are answered when their server is told to."""

    def __init__(self) -> None:
        super().__init__(at_once=8, each=3)
        self.answer = threading.Event()
        self.asked: list[str] = []

    def look_up(self, host: str) -> list[str]:
        """Wait in the thread, as for a name server that never answers."""
        self.asked.append(host)
        if host.startswith("hangs"):
            self.answer.wait(30)
        return ["127.0.0.1"]


async def test_names_of_one_account_that_hang_are_its_own_problem() -> None:
    """They use up its share, of which a thread is a part until its lookup is really over."""
    resolver = Hanging()
    try:

        async def hang(number: int) -> list[str]:
            with looking_up_for("hostile"):
                return await resolver.addresses(f"hangs-{number}.example", 0.2)

        results = await asyncio.gather(*map(hang, range(40)), return_exceptions=True)
        assert {type(result) for result in results} == {ResolveError}
        assert len(resolver.asked) == 3
        for account in ("another", "a third"):
            with looking_up_for(account):
                assert await resolver.addresses(f"{account}.example", 5.0) == ["127.0.0.1"]
        assert await resolver.addresses("nobodys.example", 5.0) == ["127.0.0.1"]
        resolver.answer.set()
        with looking_up_for("hostile"):
            assert await resolver.addresses("hangs-41.example", 5.0) == ["127.0.0.1"]
    finally:
        resolver.answer.set()
        resolver.close()


async def test_a_lookup_is_shared_and_bounded(resolver: Resolver) -> None:
    """A name without an address is an error, not a crash, however odd the name."""
    assert await resolver.addresses("localhost", 2.0)
    for host in ("name.invalid", "x" * 64 + ".example", "a..b"):
        with pytest.raises(ResolveError):
            await resolver.addresses(host, 2.0)


@pytest.mark.parametrize(
    ("address", "allowed"),
    [
        ("10.1.2.3", True),
        ("::ffff:10.1.2.3", True),
        ("fd00::5", True),
        ("8.8.8.8", True),
        ("10.2.0.1", False),
        ("127.0.0.1", False),
        ("169.254.169.254", False),
        ("::1", False),
    ],
)
def test_an_operators_own_networks_are_let_through(address: str, allowed: bool) -> None:
    """Beside the internet, and nothing else."""
    rule = public_or_in([ip_network("10.1.0.0/16"), ip_network("fd00::/64")])
    assert rule(address) is allowed


DEVELOPMENT = any_of(is_public, is_loopback)


@pytest.mark.parametrize("address", ["127.0.0.1", "127.255.255.254", "::1", *PUBLIC])
def test_development_reaches_this_machine(address: str) -> None:
    """And the internet, as ever."""
    assert DEVELOPMENT(address)


@pytest.mark.parametrize(
    "address",
    [
        "0.0.0.0",  # noqa: S104 - nobody listens there
        "::",
        "10.0.0.1",
        "172.17.0.1",
        "192.168.1.1",
        "100.64.0.1",
        "100.100.100.200",
        "168.63.129.16",
        "169.254.0.1",
        "169.254.169.254",
        "192.0.0.192",
        "224.0.0.1",
        "239.255.255.250",
        "240.0.0.1",
        "255.255.255.255",
        "fc00::1",
        "fd00:ec2::254",
        "fe80::1",
        "fe80::a9fe:a9fe",
        "ff02::1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "::ffff:169.254.169.254",
        "::127.0.0.1",
        "::ffff:0:127.0.0.1",
        "64:ff9b::7f00:1",
        "64:ff9b::a9fe:a9fe",
        "64:ff9b:1::7f00:1",
        "2002:7f00:1::",
        "2002:a9fe:a9fe::",
        "2001:0:7f00:1::",
    ],
)
def test_development_reaches_nothing_else(address: str) -> None:
    """What is private, in any form, has to be named by the operator."""
    assert not DEVELOPMENT(address)
