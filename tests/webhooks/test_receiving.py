"""What docs/receiving-webhooks.md tells receivers to run, run on real deliveries."""

import base64
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from libs.bus.bus import Bus
from tests.fakes.webhook_receiver import Receiver
from tests.webhooks.conftest import Owner
from tests.webhooks.happenings import received

PAGE = Path(__file__).parents[2] / "docs" / "receiving-webhooks.md"
# Each calls a function of the page with what stands in a file, and prints 1 or 0.
DRIVERS = {
    "python": """
import base64, json, sys
given = json.load(open(sys.argv[1]))
for one in given["requests"]:
    body = base64.b64decode(one["body"])
    print(int({function}(given["secret"], one["headers"], body)))
""",
    "javascript": """
const given = JSON.parse(require('fs').readFileSync(process.argv[2]));
for (const one of given.requests) {{
  console.log(Number({function}(given.secret, one.headers, Buffer.from(one.body, 'base64'))));
}}
""",
    "php": """
$given = json_decode(file_get_contents($argv[1]), true);
foreach ($given['requests'] as $one) {{
    echo (int) {function}($given['secret'], $one['headers'], base64_decode($one['body'])), "\\n";
}}
""",
}
COMMANDS = {"python": [sys.executable], "javascript": ["node"], "php": ["php"]}
STANDARD = [
    ("python library", "verify"),
    ("python", "verify"),
    ("javascript", "verify"),
    ("php", "verify"),
]
SIMPLE = [("python", "verify_simple"), ("javascript", "verifySimple"), ("php", "verifySimple")]


def snippet(name: str) -> str:
    """The code of the page in a fence of this name."""
    [code] = re.findall(rf"^```{name}\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    return str(code)


def judge(
    directory: Path, name: str, function: str, secret: str, requests: list[dict[str, Any]]
) -> list[bool]:
    """Run a snippet on requests; return which ones it takes for genuine."""
    language = name.split(" ", maxsplit=1)[0]
    opening = "<?php\n" if language == "php" else ""
    program = directory / "program"
    program.write_text(opening + snippet(name) + DRIVERS[language].format(function=function))
    given = directory / "given.json"
    given.write_text(json.dumps({"secret": secret, "requests": requests}))
    done = subprocess.run(
        [*COMMANDS[language], program, given], check=True, capture_output=True, text=True
    )
    return [line == "1" for line in done.stdout.split()]


def request(headers: dict[str, str], body: bytes, **changed: str | None) -> dict[str, Any]:
    """A request with some headers changed, or taken away."""
    changes = {name.replace("_", "-"): value for name, value in changed.items()}
    kept = {name: value for name, value in (headers | changes).items() if value is not None}
    return {"headers": kept, "body": base64.b64encode(body).decode()}


@pytest.mark.usefixtures("service")
@pytest.mark.parametrize(("name", "function"), STANDARD)
async def test_standard_webhooks(
    bus: Bus, owner: Owner, receiver: Receiver, tmp_path: Path, name: str, function: str
) -> None:
    """Genuine is genuine; another body, id, time or secret, or none, is not."""
    created = await owner.create(receiver.url("/hook"))
    await bus.emit(received(owner.agent_id, "Magkano po? ₱ 🙂"))
    [one] = await receiver.wait_for("/hook")
    headers, body = one.headers, one.body
    late = str(int(headers["webhook-timestamp"]) + 1)
    requests = [
        request(headers, body),
        request(headers, body + b" "),
        request(headers, body, webhook_id="evt_other"),
        request(headers, body, webhook_timestamp=late),
        request(headers, body, webhook_timestamp="1700000000"),
        request(headers, body, webhook_timestamp="soon"),
        request(headers, body, webhook_timestamp=None),
        request(headers, body, webhook_signature="v1,AAAA"),
        request(headers, body, webhook_signature=None),
    ]
    judged = judge(tmp_path, name, function, created.secret_key, requests)
    assert judged == [True] + [False] * 8
    other = await owner.create(receiver.url("/other"))
    assert judge(tmp_path, name, function, other.secret_key, requests[:1]) == [False]


@pytest.mark.usefixtures("service")
@pytest.mark.parametrize(("name", "function"), SIMPLE)
async def test_the_vendors_header(
    bus: Bus, owner: Owner, receiver: Receiver, tmp_path: Path, name: str, function: str
) -> None:
    """Genuine is genuine; another body or signature, or none, is not."""
    created = await owner.create(receiver.url("/hook"))
    await bus.emit(received(owner.agent_id, "Magkano po? ₱ 🙂"))
    [one] = await receiver.wait_for("/hook")
    requests = [
        request(one.headers, one.body),
        request(one.headers, one.body + b" "),
        request(one.headers, one.body, x_alonchat_signature="sha256=00"),
        request(one.headers, one.body, x_alonchat_signature=None),
    ]
    judged = judge(tmp_path, name, function, created.secret_key, requests)
    assert judged == [True, False, False, False]


@pytest.mark.usefixtures("service")
@pytest.mark.parametrize(("name", "function"), STANDARD + SIMPLE)
async def test_both_secrets_are_good_while_one_is_rotated(
    bus: Bus, owner: Owner, receiver: Receiver, tmp_path: Path, name: str, function: str
) -> None:
    """A receiver with the old secret and one with the new one accept the same request."""
    created = await owner.create(receiver.url("/hook"))
    rotated = await owner.rotate(created.id)
    await bus.emit(received(owner.agent_id))
    [one] = await receiver.wait_for("/hook")
    for secret in (created.secret_key, rotated.secret_key):
        assert judge(tmp_path, name, function, secret, [request(one.headers, one.body)]) == [True]
