"""Asks the model server for one token, as an answer would, and explains what is wrong with it.

For `alonchat doctor`: over the bus, or `python -m services.llm.model.examine MODEL` with the
settings of the environment. What the server says itself goes to the operator's terminal and
nowhere else.
"""

import asyncio
import json
import sys
from urllib.parse import urlsplit

from libs.contracts.message import encode
from libs.contracts.models import (
    EXAMINE_TIMEOUT,
    EXTRACTIVE_SENTENCE,
    ExamineModel,
    ModelExamined,
)
from libs.runtime.settings import SettingsError
from services.llm.failures import Failed
from services.llm.model.adaptation import Adaptations, Wanted
from services.llm.model.asking import Asking, ModelRequest
from services.llm.model.connection import BROKEN, ModelConnections, Unusual, open_connections
from services.llm.model.openai import said
from services.llm.prompt.prompt import PromptTurn
from services.llm.settings import LlmSettings

MOST_NAMES = 8
"""Models of the server that are named."""
MOST_LIST = 1_000_000
"""Bytes of a list of models that are read."""
LIST_PATIENCE = 5.0
"""Seconds for that list."""
QUESTION = [PromptTurn(role="user", content="Say: ok")]


class Examiner:
    """Examines the server of some settings."""

    def __init__(self, settings: LlmSettings) -> None:
        self._settings = settings

    async def examined(self, asked: ExamineModel) -> ModelExamined:
        """Answer the call."""
        return await examine(self._settings, asked.model)


async def examine(settings: LlmSettings, model: str) -> ModelExamined:
    """Say in one sentence whether the server answers, and what to do when it does not."""
    if not (settings.llm_base_url or settings.llm_api_key.get_secret_value()):
        return ModelExamined(ok=True, sentence=EXTRACTIVE_SENTENCE)
    async with open_connections(settings) as connections:
        failure = await _failure(connections, settings, model)
        if failure is None:
            sentence = f"The model server at {connections.base} answers with {model}."
            return ModelExamined(ok=True, sentence=sentence)
        sentence = await _why(failure, connections, settings, model)
        return ModelExamined(ok=False, sentence=sentence)


async def _failure(
    connections: ModelConnections, settings: LlmSettings, model: str
) -> Failed | None:
    """Ask for one token; return what came in its place."""
    adaptations = Adaptations(settings.llm_max_tokens_parameter)
    asking = Asking(connections, adaptations, longest_wait=settings.llm_longest_retry_after)
    patience = min(settings.first_token_timeout, EXAMINE_TIMEOUT / 2)
    due = asyncio.get_running_loop().time() + patience
    question = ModelRequest(model, QUESTION, Wanted(max_tokens=1), due, retries=0)
    try:
        async with asyncio.timeout(patience), asking.answer(question) as response:
            async for _ in said(response, hide_thoughts=True):
                pass
    except Failed as failure:
        return failure
    except TimeoutError:
        return Failed("upstream_timeout", f"no answer within {patience:.0f} s")
    return None


async def _why(
    failure: Failed, connections: ModelConnections, settings: LlmSettings, model: str
) -> str:
    base, detail = connections.base, failure.detail
    parts = urlsplit(base)
    where = f"{parts.hostname}:{parts.port or (443 if parts.scheme == 'https' else 80)}"
    if detail == "connection refused":
        return (
            f"Nothing listens at {where} (connection refused): start the model server, or correct "
            f"LLM_BASE_URL={base}."
        )
    if detail == "unknown host":
        return f"The host {parts.hostname} is unknown: correct LLM_BASE_URL={base}."
    if detail.startswith("no connection"):
        return f"The model server is not reached at {where}: correct LLM_BASE_URL={base}."
    if detail == "certificate not trusted":
        reason = f" ({failure.words})" if failure.words else ""
        return (
            f"The certificate of {where} is not trusted{reason}: put that of its authority into a "
            "file and name the file in SSL_CERT_FILE."
        )
    if "/v1" not in parts.path and await _works_with_v1(settings, model):
        return f"The path of LLM_BASE_URL is wrong: it lacks /v1; set LLM_BASE_URL={base}/v1."
    return await _why_refused(failure, connections, model)


async def _works_with_v1(settings: LlmSettings, model: str) -> bool:
    """Tell whether the server's API is below /v1."""
    other = settings.model_copy(update={"llm_base_url": f"{settings.llm_base_url}/v1"})
    async with open_connections(other) as connections:
        failure = await _failure(connections, other, model)
        if failure is None or not failure.detail.startswith(("status 404", "status 405")):
            return failure is None or failure.code != "model_unavailable" or bool(failure.words)
        return bool(await _models(connections))


async def _why_refused(failure: Failed, connections: ModelConnections, model: str) -> str:
    base, detail = connections.base, failure.detail
    words = f" It says: {' '.join(failure.words.split())[:300]}" if failure.words else ""
    if detail.startswith(("status 401", "status 403")):
        return f"The model server at {base} refuses LLM_API_KEY ({detail}).{words}"
    if detail.startswith("status 404"):
        models = await _models(connections)
        if models:
            has = ", ".join(models[:MOST_NAMES])
            return (
                f"The model server at {base} does not have the model {model}: set LLM_MODEL to one "
                f"that it has ({has}).{words}"
            )
        return (
            f"The model server at {base} has nothing at /chat/completions, or not the model "
            f"{model}: the path of LLM_BASE_URL is wrong (it mostly ends in /v1), or LLM_MODEL is."
            f"{words}"
        )
    if failure.code == "model_unavailable":
        return f"The model server at {base} does not answer as an API ({detail}).{words}"
    return f"The model server at {base} does not answer with {model} ({detail}).{words}"


async def _models(connections: ModelConnections) -> list[str]:
    """Return the names of the server's models, none when it has no list for this key."""
    body = b""
    try:
        async with asyncio.timeout(LIST_PATIENCE):
            response = await connections.get("/models")
            while len(body) < MOST_LIST and (part := await response.read()):
                body += part
            await response.close()
        listed = json.loads(body)
        return [str(entry["id"])[:100] for entry in listed["data"]]
    except (TimeoutError, TypeError, KeyError, RecursionError, Unusual, *BROKEN):
        return []


async def _main(model: str) -> None:
    try:
        examined = await examine(LlmSettings.load(), model)
    except SettingsError as error:
        examined = ModelExamined(ok=False, sentence=str(error))
    sys.stdout.write(encode(examined).decode())


if __name__ == "__main__":
    asyncio.run(_main(sys.argv[1]))
