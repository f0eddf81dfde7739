"""What llm answers to the operators' command: whether its model server works, and if not, why."""

from libs.contracts.calls import Call
from libs.contracts.message import Message


class ExamineModel(Message, frozen=True, kw_only=True, tag="llm.examine_model.v1"):
    """Ask the model server for one token of `model`, as an answer would."""

    model: str


class ModelExamined(Message, frozen=True, kw_only=True, tag="llm.model_examined.v1"):
    """One sentence for the operator; it may have the model server's own words in it."""

    ok: bool
    sentence: str


EXAMINE_MODEL = Call("llm.examine_model", ExamineModel, ModelExamined, idempotent=False)
EXAMINE_TIMEOUT = 200.0
"""Seconds for it: a model that has to be loaded first takes its time."""
EXAMINE_MODULE = "services.llm.model.examine"
"""The same as a program, `python -m`, with the settings of its environment; prints the reply."""
EXTRACTIVE_SENTENCE = "No model server is set: answers are quoted from the sources."
