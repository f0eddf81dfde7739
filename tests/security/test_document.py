"""The OpenAPI document says all that the API does: schemathesis tries to prove it wrong."""

import asyncio
import sys
from pathlib import Path

from tests.security.conftest import Owned
from tests.stack import Stack

EXAMPLES = 8
"""Requests that are made up for each operation, besides those at the edges of its schema."""
CHECKS = """
[checks]
ignored_auth.enabled = false
use_after_free.enabled = false
ensure_resource_availability.enabled = false
negative_data_rejection.expected-statuses = ["4xx", "5xx"]
"""
"""All checks but those that an owner's things don't outlive, or that test_isolation.py makes."""
BEYOND_A_SCHEMA = {
    "GET /v1/usage": "two dates and the days between them",
    "POST /v1/agents/{agent_id}/chat": "an Idempotency-Key that was used before",
    "POST /v1/agents/{agent_id}/keys": "a time in the past; origins by the type of key",
    "POST /v1/agents/{agent_id}/sources": "which fields there are depends on the type",
    "PATCH /v1/agents/{agent_id}/sources/{source_id}": "the same",
    "POST /v1/agents/{agent_id}/sources/files": "the kinds of files",
    "PUT /v1/agents/{agent_id}/sources/{source_id}/file": "the kinds of files",
    "POST /v1/agents/{agent_id}/webhooks": "hosts that there are; names of headers",
    "PATCH /v1/agents/{agent_id}/webhooks/{webhook_id}": "the same",
    "POST /v1/agents/{agent_id}/webhooks/{webhook_id}/replay": "years that are too far away",
}
"""What may refuse a body or query that the document allows, and why the document can't say it."""


async def test_nothing_undocumented_happens(owner: Owned, stack: Stack, tmp_path: Path) -> None:
    """On ids that are there: no 5xx, no status, type or body that the document does not have.

    What the document forbids is refused, what it allows is taken, and no method but its own.
    """
    config = tmp_path / "schemathesis.toml"
    ids = "\n".join(f'{name} = "{value}"' for name, value in owner.ids.items())
    exceptions = "".join(
        f'[[operations]]\ninclude-name = "{name}"\n'
        "[operations.checks]\npositive_data_acceptance.enabled = false\n"
        for name in BEYOND_A_SCHEMA
    )
    config.write_text(f"[parameters]\n{ids}\n{CHECKS}{exceptions}")
    process = await asyncio.create_subprocess_exec(
        Path(sys.executable).with_name("schemathesis"),
        "--config-file",
        config,
        "run",
        f"{stack.url}/docs/openapi.json",
        *("--header", f"Authorization: Bearer {owner.client.key}"),
        *("--max-examples", str(EXAMPLES), "--seed", "1"),
        *("--phases", "examples,coverage,fuzzing", "--suppress-health-check", "all"),
        # Without its things an account has nothing to try.
        *("--exclude-method", "DELETE", "--no-color"),
        cwd=tmp_path,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    async with asyncio.timeout(240):
        output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()[-8000:]
