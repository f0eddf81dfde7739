"""One delivery of a grounded question, from its sources frame to its outcome."""

import asyncio
from datetime import timedelta

import structlog

from libs.bus.bus import Bus
from libs.bus.queues import Delivered
from libs.contracts.chat import EXTRACTIVE, ChatGrounded
from libs.contracts.events import Outcome
from libs.runtime.clock import now
from services.llm.agent import settings_of
from services.llm.cancel import Cancellations, Cancelled
from services.llm.choices import REPLACEABLE, Choices
from services.llm.failures import Failed
from services.llm.generate import Generation, generate
from services.llm.interface import Anew, Model
from services.llm.model.openai import OpenAIModel
from services.llm.model.patience import Timeouts, patiently
from services.llm.quote.quote import Extractive
from services.llm.reply import outcome
from services.llm.reply.frames import Frames
from services.llm.reply.joining import AnswerPace
from services.llm.reply.sources import sources_of
from services.llm.reply.suggestions import answered_by
from services.llm.settings import LlmSettings

log = structlog.get_logger()

LOOK_FIRST_AFTER = timedelta(seconds=10)
"""Age of a request from which its outcome may be on the log before anyone began to answer it."""


class Worker:
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
        self._pace = AnswerPace(settings.llm_pieces_per_second)
        self._patience = Timeouts(
            first=settings.first_token_timeout,
            between=settings.llm_token_timeout,
            total=settings.total_timeout,
        )

    async def handle(self, delivered: Delivered[ChatGrounded]) -> None:
        """Answer, unless the message has its outcome already."""
        grounded = delivered.message
        if _may_be_over(delivered) and await self._bus.outcome(grounded.request.message_id):
            return
        ours = await self._answer(grounded, Frames(self._bus, grounded.request, delivered.attempt))
        await outcome.log_outcome(self._bus, ours, delivered.message.request.requested_at)

    async def is_over(self, grounded: ChatGrounded) -> bool:
        """Whether the message has ended without us."""
        return await self._bus.has_outcome(grounded.request.message_id)

    async def give_up(self, delivered: Delivered[ChatGrounded]) -> None:
        """End a message that could not be handled: visibly failed, unless it was answered."""
        failure = Failed("internal_error", "given up")
        asked_at = delivered.message.request.requested_at
        await outcome.log_outcome(self._bus, outcome.failed(delivered.message, failure), asked_at)

    async def _answer(self, grounded: ChatGrounded, reply: Frames) -> Outcome:
        message_id = grounded.request.message_id
        line = Choices(grounded.request)
        try:
            async with self.cancellations.stoppable(message_id):
                await reply.sources(sources_of(grounded.passages), grounded.confidence)
                with self._pace.answer():
                    answer = await self._first_answer(line, grounded, reply)
        except Cancelled:
            log.debug("llm.cancelled", message_id=message_id, model=line.asked.model)
            return outcome.cancelled(grounded, reply.so_far, line.asked)
        except Failed as failure:
            _warn("llm.failed", message_id, line.asked.model, failure)
            return outcome.failed(grounded, failure, reply.so_far)
        log.debug("llm.answered", message_id=message_id, model=line.asked.model)
        return outcome.sent(grounded, answer, line.asked, self._answered(grounded))

    async def _first_answer(
        self, line: Choices, grounded: ChatGrounded, reply: Frames
    ) -> Generation:
        """Return the answer of the first model in line that begins one. Raises Failed."""

        async def send(piece: str | Anew) -> None:
            await reply.text(piece)
            await self._pace.rest()

        clock = asyncio.get_running_loop().time
        begun = clock()
        for choice in line:
            patience = self._patience.part(clock() - begun, choice.behind + 1)
            try:
                answerer = self._answerer(choice.model)
                answered = answerer.answer(grounded, choice, clock() + patience.first)
                pieces = patiently(answered, patience)
                return await generate(pieces, send, self._settings.llm_max_characters)
            except Failed as failure:
                # Once the client has read one model's words, another can't go on.
                if not choice.behind or reply.so_far or failure.code not in REPLACEABLE:
                    raise
                _warn("llm.fell_back", grounded.request.message_id, choice.model, failure)
        raise AssertionError("the last model in line answers or fails")

    def _answered(self, grounded: ChatGrounded) -> str:
        agent = settings_of(grounded.request.agent, self._settings)
        return answered_by(grounded, may_answer=agent.may_answer(grounded))

    def _answerer(self, model: str) -> Model:
        if model == EXTRACTIVE:
            return self._extractive
        if self._model is None:
            raise Failed("model_unavailable", "neither LLM_BASE_URL nor LLM_API_KEY is set")
        return self._model


def _warn(event: str, message_id: str, model: str, failure: Failed) -> None:
    log.warning(event, message_id=message_id, model=model, code=failure.code, detail=failure.detail)


def _may_be_over(delivered: Delivered[ChatGrounded]) -> bool:
    age = now() - delivered.message.request.requested_at
    return delivered.attempt > 1 or age > LOOK_FIRST_AFTER
