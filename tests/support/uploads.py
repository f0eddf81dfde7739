"""Uploading a file, and waiting until it is read."""

from tests.flow.client import Client
from tests.waiting import eventually


async def upload(client: Client, agent_id: str, name: str, content: bytes, **fields: str) -> str:
    """Upload a file; return the id of its source."""
    response = await client.request(
        "POST",
        f"/v1/agents/{agent_id}/sources/files",
        files={"file": (name, content)},
        data=fields,
    )
    assert response.status_code == 201, response.text
    assert response.json()["file"] == {"name": name, "size": len(content)}
    return str(response.json()["id"])


async def ended(client: Client, agent_id: str, source_id: str) -> dict[str, object]:
    """Wait until a source is ready or failed, return it."""
    found: dict[str, object] = {}

    async def is_over() -> bool:
        found.update(await client.get(f"/v1/agents/{agent_id}/sources/{source_id}"))
        return found["status"] in {"ready", "failed"}

    await eventually(is_over)
    return found
