"""What `alonchat doctor` says of the model server: it is asked for one token.

By the settings of this environment when it has any, through a program of llm's; otherwise by those
of the llm service, over the bus.
"""

import asyncio
import os
import sys

import msgspec
from pydantic import Field

from alonchat.finding import Finding
from libs.bus.bus import Bus
from libs.bus.errors import BusError
from libs.contracts.message import decode
from libs.contracts.models import (
    EXAMINE_MODEL,
    EXAMINE_MODULE,
    EXAMINE_TIMEOUT,
    EXTRACTIVE_SENTENCE,
    ExamineModel,
    ModelExamined,
)
from libs.runtime.settings import Settings

NAME = "model server"
PROBED = "llm/llm"
"""The finding of llm's own probe, which this one says more of."""


class _ModelSettings(Settings):
    """The model that agents use which name none."""

    llm_model: str = Field("gpt-5.2", description="As the edge has it")


async def examine(bus: Bus) -> list[Finding]:
    """Return what there is to say; nothing when nobody can ask."""
    model = _ModelSettings.load().llm_model
    examined = None
    if os.environ.get("LLM_BASE_URL") or os.environ.get("LLM_API_KEY"):
        examined = await _by_ourselves(model)
    examined = examined or await _by_llm(bus, model)
    if examined is None or examined.sentence == EXTRACTIVE_SENTENCE:
        return []
    return [Finding(name=NAME, ok=examined.ok, sentence=examined.sentence)]


async def _by_ourselves(model: str) -> ModelExamined | None:
    """Return None where what llm needs is not installed, as in the image of another service."""
    program = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", EXAMINE_MODULE, model),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        async with asyncio.timeout(EXAMINE_TIMEOUT):
            said, _ = await program.communicate()
        return decode(said, ModelExamined)
    except (TimeoutError, msgspec.MsgspecError):
        return None
    finally:
        if program.returncode is None:
            program.kill()


async def _by_llm(bus: Bus, model: str) -> ModelExamined | None:
    try:
        return await bus.call(
            EXAMINE_MODEL, ExamineModel(model=model), patience=0, timeout=EXAMINE_TIMEOUT
        )
    except BusError:
        return None
