"""What `alonchat doctor` says of the embedding server: rag's own code asks it for one vector.

In a process of its own, since this command knows the services only from outside, and rag itself may
not run because of that server. Settings are those of the shell that the command runs in.
"""

import asyncio
import os
import sys
from asyncio.subprocess import PIPE

from alonchat.finding import Finding

PATIENCE = 40.0
"""Seconds until the answer must be there; a request has EMBEDDINGS_TIMEOUT."""
MODULE = "services.rag.embed.examine"


async def findings() -> list[Finding]:
    """Try the server that the settings name; nothing when they name none."""
    if not os.environ.get("EMBEDDINGS_BASE_URL", "").strip():
        return []  # the bundled model, which rag answers for
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", MODULE, stdout=PIPE, stderr=PIPE
    )
    try:
        async with asyncio.timeout(PATIENCE):
            output, complaint = await process.communicate()
    except TimeoutError:
        process.kill()
        await process.wait()
        return [_failed(f"The embedding server did not answer within {PATIENCE:.0f} s.")]
    if b"No module named" in complaint:
        return []  # an image of another service: rag's own says it
    if process.returncode:
        return [_failed(complaint.decode(errors="replace").strip().splitlines()[-1])]
    return [Finding(name="embeddings", ok=True, sentence=output.decode().strip())]


def _failed(sentence: str) -> Finding:
    return Finding(name="embeddings", ok=False, sentence=sentence)
