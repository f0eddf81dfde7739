"""One delivery of a grounded question, from its sources frame to its outcome."""

from datetime import timedelta

import structlog

from libs.bus.bus import Bus
from libs.bus.work import Delivered
from libs.contracts.chat import EXTRACTIVE, ChatGrounded
from libs.contracts.events import Outcome
from libs.runtime.clock import now
from services.llm import outcome
from services.llm.answerer import Answerer
from services.llm.cancellations import Cancellations, Cancelled
from services.llm.extractive import Extractive
from services.llm.failures import Failed
from services.llm.generate import generate
from services.llm.openai_model import OpenAIModel
from services.llm.pace import Pace
from services.llm.patience import Patience, patiently
from services.llm.reply import Reply
from services.llm.settings import LlmSettings
from services.llm.sources import sources_of

log = structlog.get_logger()

LOOK_FIRST_AFTER = timedelta(seconds=10)
"""Age of a request from which its outcome may be on the log before anyone began to answer it."""


class Answering:
    """Answers messages.

    A message may be delivered again at any time, even while a first delivery is still at work. The
    attempt number tells the edge which frames count, the event log which outcome does; api stores
    that one and brings the client to it.
    """

    def __init__(self, bus: Bus, model: OpenAIModel | None, settings: LlmSettings) -> None:
        self._bus = bus
        self._model = model
        self._extractive = Extractive(settings)
        self._settings = settings
        self.cancellations = Cancellations()
        self._pace = Pace(settings.llm_pieces_per_second)
        self._patience = Patience(
            first=settings.llm_first_token_timeout,
            between=settings.llm_token_timeout,
            total=settings.llm_total_timeout,
        )

    async def handle(self, delivered: Delivered[ChatGrounded]) -> None:
        """Answer, unless the message has its outcome already."""
        grounded = delivered.message
        if _may_be_over(delivered) and await self._bus.outcome(grounded.request.message_id):
            return
        ours = await self._answer(grounded, Reply(self._bus, grounded.request, delivered.attempt))
        await outcome.log_outcome(self._bus, ours)

    async def give_up(self, delivered: Delivered[ChatGrounded]) -> None:
        """End a message that could not be handled: visibly failed, unless it was answered."""
        failure = Failed("internal_error", "given up")
        await outcome.log_outcome(self._bus, outcome.failed(delivered.message, failure))

    async def _answer(self, grounded: ChatGrounded, reply: Reply) -> Outcome:
        request = grounded.request

        async def send(text: str) -> None:
            await reply.text(text)
            await self._pace.rest()

        try:
            async with self.cancellations.stoppable(request.message_id):
                await reply.sources(sources_of(grounded.passages), grounded.confidence)
                pieces = patiently(self._answerer(request.model).answer(grounded), self._patience)
                with self._pace.answer():
                    answer = await generate(pieces, send, self._settings.llm_max_characters)
        except Cancelled:
            log.debug("llm.cancelled", message_id=request.message_id, model=request.model)
            return outcome.cancelled(grounded, reply.so_far)
        except Failed as failure:
            log.warning(
                "llm.failed",
                message_id=request.message_id,
                model=request.model,
                code=failure.code,
                detail=failure.detail,
            )
            return outcome.failed(grounded, failure)
        log.debug("llm.answered", message_id=request.message_id, model=request.model)
        return outcome.sent(grounded, answer)

    def _answerer(self, model: str) -> Answerer:
        if model == EXTRACTIVE:
            return self._extractive
        if self._model is None:
            raise Failed("model_unavailable", "neither LLM_BASE_URL nor LLM_API_KEY is set")
        return self._model


def _may_be_over(delivered: Delivered[ChatGrounded]) -> bool:
    age = now() - delivered.message.request.requested_at
    return delivered.attempt > 1 or age > LOOK_FIRST_AFTER
