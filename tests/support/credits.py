"""Credits once nothing is under way."""

from tests.flow.client import Client
from tests.waiting import eventually


async def settled(client: Client) -> int:
    """The balance once nothing is held any more."""
    balance = 0

    async def nothing_held() -> bool:
        nonlocal balance
        credits = await client.get("/v1/credits")
        balance = credits["balance"]
        return bool(credits["held"] == 0)

    await eventually(nothing_held)
    return balance
