"""The OpenAPI document says all that the API does: schemathesis tries to prove it wrong."""

import asyncio
import sys
from pathlib import Path

from tests.security.conftest import Owned
from tests.stack import Stack

EXAMPLES = 15
"""Requests that are made up for each operation, besides those at the edges of its schema."""
CHECKS = (
    "not_a_server_error,status_code_conformance,content_type_conformance,"
    "response_schema_conformance"
)


async def test_nothing_undocumented_happens(owner: Owned, stack: Stack, tmp_path: Path) -> None:
    """No 5xx, no status, type or body that the document does not have, on ids that are there."""
    config = tmp_path / "schemathesis.toml"
    ids = "\n".join(f'{name} = "{value}"' for name, value in owner.ids.items())
    config.write_text(f"[parameters]\n{ids}\n")
    process = await asyncio.create_subprocess_exec(
        Path(sys.executable).with_name("schemathesis"),
        "--config-file",
        config,
        "run",
        f"{stack.url}/docs/openapi.json",
        *("--header", f"Authorization: Bearer {owner.client.key}"),
        *("--max-examples", str(EXAMPLES), "--seed", "1", "--checks", CHECKS),
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
