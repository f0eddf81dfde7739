"""The demo on the first start: an account, an agent, its sources, its keys.

`demo.env` is written last, so it exists only when all of it is there; a start that was interrupted
before creates a new one.
"""

import asyncio
import json
import shlex
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

import httpx

from alonchat.errors import OperatorError
from alonchat.stack import env_file
from alonchat.stack.settings import StackSettings
from libs.bus.bus import open_bus
from libs.bus.errors import BusError
from libs.contracts.accounts import CREATE_ACCOUNT, CreateAccount

CREDITS = 100_000
SOURCES_TIMEOUT = 60.0
"""Seconds that the sources get to be indexed."""
INSTRUCTIONS = (
    "You are the friendly assistant of Tindahan ni Aling Nena, a native delicacies shop in Cebu. "
    "Answer briefly, in the language of the question."
)


@dataclass(frozen=True)
class Demo:
    """What a person needs to try the demo."""

    url: str
    agent_id: str
    secret_key: str
    publishable_key: str

    def env(self) -> dict[str, str]:
        """Return it as settings; no value needs quoting in a shell."""
        return {
            "ALONCHAT_URL": self.url,
            "ALONCHAT_AGENT_ID": self.agent_id,
            "ALONCHAT_SECRET_KEY": self.secret_key,
            "ALONCHAT_PUBLISHABLE_KEY": self.publishable_key,
        }

    def curl(self) -> str:
        """Return a command that asks the agent something."""
        body = json.dumps({"message": "Hello, what are your business hours?"})
        return (
            f"curl -sS -X POST {self.url}/v1/agents/{self.agent_id}/chat \\\n"
            f'  -H "Authorization: Bearer {self.secret_key}" \\\n'
            f'  -H "Content-Type: application/json" \\\n'
            f"  -d {shlex.quote(body)}"
        )


async def ensure(settings: StackSettings, nats_url: str) -> Demo:
    """Return the demo; create it when there is none. Raises OperatorError."""
    try:
        demo = await _existing(settings) or await _new(settings.url, nats_url)
    except (httpx.HTTPError, BusError, TimeoutError) as error:
        raise OperatorError(f"The demo could not be created: {error!r}.") from error
    env_file.write(settings.demo_file, demo.env())
    return demo


async def _existing(settings: StackSettings) -> Demo | None:
    """Return what the file says, unless this database does not know it."""
    values = env_file.read(settings.demo_file)
    if not values:
        return None
    demo = Demo(
        url=settings.url,  # it may listen elsewhere this time
        agent_id=values["ALONCHAT_AGENT_ID"],
        secret_key=values["ALONCHAT_SECRET_KEY"],
        publishable_key=values["ALONCHAT_PUBLISHABLE_KEY"],
    )
    async with _client(demo.url, demo.secret_key) as client:
        response = await client.get(f"/v1/agents/{demo.agent_id}")
    if response.status_code in (401, 403, 404):
        return None
    response.raise_for_status()
    return demo


async def _new(url: str, nats_url: str) -> Demo:
    async with open_bus(nats_url, "demo") as bus:
        request = CreateAccount(name="Demo", plan="enterprise", credits=CREDITS)
        created = await bus.call(CREATE_ACCOUNT, request)
    async with _client(url, created.secret_key) as client:
        return await _create(url, client, created.secret_key)


def _client(url: str, secret_key: str) -> httpx.AsyncClient:
    headers = {"Authorization": f"Bearer {secret_key}"}
    return httpx.AsyncClient(base_url=url, headers=headers, timeout=30.0, trust_env=False)


async def _create(url: str, client: httpx.AsyncClient, secret_key: str) -> Demo:
    agent = await _post(
        client, "/v1/agents", {"name": "Tindahan ni Aling Nena", "instructions": INSTRUCTIONS}
    )
    path = f"/v1/agents/{agent['id']}"
    sources = json.loads(files("alonchat.stack").joinpath("demo_sources.json").read_text())
    for source in sources:
        await _post(client, f"{path}/sources", source)
    async with asyncio.timeout(SOURCES_TIMEOUT):
        while not await _all_ready(client, f"{path}/sources"):  # noqa: ASYNC110  # HTTP can't tell
            await asyncio.sleep(0.1)
    key = {"type": "publishable", "name": "Demo", "allowed_origins": ["*"]}
    publishable = await _post(client, f"{path}/keys", key)
    return Demo(url, agent["id"], secret_key, publishable["key"])


async def _all_ready(client: httpx.AsyncClient, path: str) -> bool:
    response = await client.get(path, params={"limit": 100})
    response.raise_for_status()
    found = response.json()["items"]
    for source in found:
        if source["status"] == "failed":
            raise OperatorError(f"The demo's source {source['title']!r} could not be indexed.")
    return all(source["status"] == "ready" for source in found)


async def _post(client: httpx.AsyncClient, path: str, body: dict[str, Any]) -> dict[str, Any]:
    response = await client.post(path, json=body)
    response.raise_for_status()
    created: dict[str, Any] = response.json()
    return created
