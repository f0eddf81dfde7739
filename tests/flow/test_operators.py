"""What an operator runs against a system that works."""

import json
import subprocess
import sys
from typing import Any

import httpx

from libs.bus.bus import open_bus
from libs.contracts import subjects
from libs.contracts.queues import CHAT_REQUESTED
from tests.flow.client import Client
from tests.stack import Stack
from tests.waiting import eventually


def alonchat(stack: Stack, *arguments: str) -> tuple[int, Any]:
    """Run a command as an operator does; return its exit code and its JSON."""
    done = subprocess.run(
        [sys.executable, "-m", "alonchat", *arguments, "--json"],
        env=stack.env,
        capture_output=True,
        check=False,
        timeout=60,
    )
    return done.returncode, json.loads(done.stdout)


async def test_the_ledgers_add_up(stack: Stack, client: Client, shop: str) -> None:
    """After an answer, for all accounts that there are."""
    answer = await client.chat(shop, "What are your business hours?")
    assert answer["credits_used"]
    code, document = alonchat(stack, "reconcile")
    assert (code, document["ok"]) == (0, True)
    assert document["accounts"]


async def test_a_poison_message_can_be_looked_at_and_dropped(stack: Stack) -> None:
    """Nobody can read it: it goes to the dead letters at once, and stays there when replayed."""
    async with open_bus(stack.nats_url, "test") as bus:
        await bus.jetstream.publish(CHAT_REQUESTED.subject, b"poison")

        async def dead() -> bool:
            return bool(await bus.last(subjects.DEAD, "dead.>"))

        await eventually(dead)
        code, document = alonchat(stack, "dead", "list", "--subject", "chat.requested")
        (letter,) = document["dead_letters"]
        assert (code, letter["bytes"]) == (0, len(b"poison"))
        number = str(letter["number"])
        assert alonchat(stack, "dead", "show", number)[1]["data"] == "poison"
        assert alonchat(stack, "dead", "replay", number) == (0, {"replayed": 1, "too_old": 0})

        async def dead_again() -> bool:
            found = alonchat(stack, "dead", "list")[1]["dead_letters"]
            return [one["number"] > letter["number"] for one in found] == [True]

        await eventually(dead_again)
        assert "1 dead letters: messages that could not be handled" in json.dumps(
            alonchat(stack, "doctor")
        )
        assert alonchat(stack, "dead", "drop", "--all") == (0, {"dropped": 1})
        assert alonchat(stack, "dead", "drop", number)[0] == 1
        assert "could not be handled" not in json.dumps(alonchat(stack, "doctor"))


async def test_an_accounts_own_keys_are_replaced(stack: Stack, http: httpx.AsyncClient) -> None:
    """A second key, then the first one is revoked: it is refused, the second one goes on."""
    code, opened = alonchat(stack, "account", "create", "--name", "Keys")
    account = opened["account"]["id"]
    code, made = alonchat(stack, "account", "create-key", account, "--name", "server")
    assert code == 0
    code, listed = alonchat(stack, "account", "keys", account)
    assert [key["name"] for key in listed["keys"]] == ["server", "first key"]
    assert "secret" not in json.dumps(listed)
    first = listed["keys"][1]["id"]

    async def status(key: str) -> int:
        headers = {"Authorization": f"Bearer {key}"}
        return (await http.get("/v1/credits", headers=headers)).status_code

    assert await status(opened["secret_key"]) == 200
    assert alonchat(stack, "account", "revoke-key", account, first)[0] == 0

    async def replaced() -> bool:
        return (await status(opened["secret_key"]), await status(made["secret_key"])) == (401, 200)

    await eventually(replaced, timeout=1)
    code, error = alonchat(stack, "account", "revoke-key", account, first)
    assert (code, error["error"]["code"]) == (1, "not_found")
    code, error = alonchat(stack, "account", "keys", "acc_none")
    assert (code, error["error"]["code"]) == (1, "not_found")
