"""Every message has an end, whatever was killed."""

import httpx

from tests.flow.client import Client, Streamed
from tests.waiting import eventually

TEXT = "".join(f"tok{n} " for n in range(64))


HOLD_TTL = "20"
"""A question that was stored but not yet published when its edge died, and a hold that was written
after its edge had given up, have their end from billing's sweep."""


def ended_well(result: Streamed | httpx.Response) -> bool:
    """Whether a client that was not cut off got the whole answer or an error."""
    if isinstance(result, Streamed):
        return result.names[-1:] == ["error"] or (
            result.names[-1:] == ["done"] and result.text == TEXT
        )
    if result.status_code == 200:
        return bool(result.json()["response"] == TEXT)
    return result.status_code in {500, 503} and "error" in result.json()


async def every_message_has_an_end(client: Client, agent_id: str) -> list[dict[str, object]]:
    """Wait until no conversation waits for its answer; return all assistant messages."""
    found: list[dict[str, object]] = []

    async def complete() -> bool:
        found.clear()
        listed = await client.get(f"/v1/agents/{agent_id}/conversations", params={"limit": 100})
        for row in listed["items"]:
            messages = (await client.get(f"/v1/conversations/{row['id']}"))["messages"]
            if not messages or messages[-1]["role"] != "assistant":
                return False  # an edge that dies while it stores leaves billing's sweep to end it
            found.append(messages[-1])
        return True

    await eventually(complete, timeout=60)
    return found
