"""Keys mean the same on every replica, at once."""

import asyncio
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from tests.flow.client import Client
from tests.waiting import eventually

AT_ONCE = 1.0
"""Seconds in which the promise says that a revocation is known everywhere."""


async def created(client: Client, agent_id: str, **fields: Any) -> dict[str, Any]:
    """Create a secret key of an agent."""
    key: dict[str, Any] = await client.post(
        f"/v1/agents/{agent_id}/keys", {"type": "secret"} | fields
    )
    return key


async def status(http: httpx.AsyncClient, agent_id: str, key: str) -> int:
    """What a request with a key gets."""
    response = await Client(http, key).request("GET", f"/v1/agents/{agent_id}")
    return response.status_code


async def test_a_revoked_key_is_refused_everywhere(
    https: list[httpx.AsyncClient], clients: list[Client], shop: str
) -> None:
    """Both replicas know it well, one revokes it, the other refuses it."""
    key = await created(clients[0], shop)
    assert [await status(http, shop, key["key"]) for http in https] == [200, 200]
    revoked = await clients[0].request("DELETE", f"/v1/agents/{shop}/keys/{key['id']}")
    assert revoked.is_success

    async def refused() -> bool:
        return [await status(http, shop, key["key"]) for http in https] == [401, 401]

    await eventually(refused, timeout=AT_ONCE)


async def test_a_key_expires_though_it_is_remembered(
    https: list[httpx.AsyncClient], clients: list[Client], shop: str
) -> None:
    """Both replicas have it in memory when its time comes."""
    end = datetime.now(UTC) + timedelta(seconds=2)
    key = await created(clients[0], shop, expires_at=end.isoformat())
    assert [await status(http, shop, key["key"]) for http in https] == [200, 200]

    async def expired() -> bool:
        return [await status(http, shop, key["key"]) for http in https] == [401, 401]

    await eventually(expired, timeout=5)
    assert datetime.now(UTC) >= end
    (listed,) = (await clients[0].get(f"/v1/agents/{shop}/keys"))["items"]
    assert listed["is_active"] is False


async def test_an_end_in_the_past_is_refused(clients: list[Client], shop: str) -> None:
    """So is one without a time zone."""
    for wrong in ("2020-01-01T00:00:00Z", "2099-01-01T00:00:00", "tomorrow"):
        response = await clients[0].request(
            "POST", f"/v1/agents/{shop}/keys", json={"type": "secret", "expires_at": wrong}
        )
        assert response.status_code == 400
        assert response.json()["error"]["param"] == "expires_at"


async def test_rotation_overlaps(
    https: list[httpx.AsyncClient], clients: list[Client], shop: str
) -> None:
    """Both keys work for the overlap, then only the new one, on both replicas."""
    old = await created(clients[0], shop, name="server")
    assert [await status(http, shop, old["key"]) for http in https] == [200, 200]
    path = f"/v1/agents/{shop}/keys/{old['id']}/rotate"
    began = time.monotonic()
    new = await clients[1].post(path, {"overlap_seconds": 3})
    assert (new["name"], new["type"]) == ("server", "secret")
    for key in (old, new):
        assert [await status(http, shop, key["key"]) for http in https] == [200, 200]

    async def ended() -> bool:
        return [await status(http, shop, old["key"]) for http in https] == [401, 401]

    await eventually(ended, timeout=10)
    assert time.monotonic() - began >= 3
    assert [await status(http, shop, new["key"]) for http in https] == [200, 200]
    rows = {row["id"]: row for row in (await clients[0].get(f"/v1/agents/{shop}/keys"))["items"]}
    assert rows[old["id"]]["replaced_by"] == new["id"]


async def test_a_key_is_replaced_once(clients: list[Client], shop: str) -> None:
    """Of several rotations at once one wins; the others are conflicts and leave nothing."""
    old = await created(clients[0], shop)
    path = f"/v1/agents/{shop}/keys/{old['id']}/rotate"
    responses = await asyncio.gather(
        *(clients[number % 2].request("POST", path, json={}) for number in range(6))
    )
    assert sorted(response.status_code for response in responses) == [201, *[409] * 5]
    assert len((await clients[0].get(f"/v1/agents/{shop}/keys"))["items"]) == 2


async def test_rotation_is_within_the_agent(clients: list[Client], shop: str) -> None:
    """A key that is not there, or another agent's, can't be rotated."""
    other = await clients[0].agent(model="extractive")
    key = await created(clients[0], other)
    response = await clients[0].request(
        "POST", f"/v1/agents/{shop}/keys/{key['id']}/rotate", json={}
    )
    assert response.status_code == 404


async def test_a_replacement_lives_as_long_as_its_key_was_made_to(
    clients: list[Client], shop: str
) -> None:
    """A key that expires is not replaced by one that never does."""
    end = datetime.now(UTC) + timedelta(hours=1)
    old = await created(clients[0], shop, expires_at=end.isoformat())
    new = await clients[1].post(f"/v1/agents/{shop}/keys/{old['id']}/rotate", {})
    lifetime = datetime.fromisoformat(new["expires_at"]) - datetime.fromisoformat(new["created_at"])
    assert abs(lifetime - timedelta(hours=1)) < timedelta(minutes=1)


async def test_rotation_keeps_to_the_number_of_keys(clients: list[Client], shop: str) -> None:
    """With all keys taken there is no room for an overlap; without one there is."""
    keys = [await created(clients[0], shop) for _ in range(20)]
    path = f"/v1/agents/{shop}/keys/{keys[0]['id']}/rotate"
    refused = await clients[0].request("POST", path, json={})
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "conflict")
    assert (await clients[0].post(path, {"overlap_seconds": 0}))["key"]
