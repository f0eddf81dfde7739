"""The wire form of every message, byte by byte: old and new releases share one bus.

`golden.jsonl` is written by `python -m tests.contracts.write_golden`; a changed line in it is a
changed contract, and needs a new version of the tag.
"""

from collections.abc import Iterator

import msgspec
import pytest

from libs.contracts import chat, events
from libs.contracts.message import Message, decode, encode
from libs.contracts.queues import EVENT_QUEUES
from tests.contracts.samples import GOLDEN, SAMPLES


def golden() -> dict[str, bytes]:
    """The recorded lines by tag."""
    lines = GOLDEN.read_bytes().splitlines()
    return {msgspec.json.decode(line)["type"]: line for line in lines}


def tag(kind: type[Message]) -> str:
    """The tag of a kind of message, empty for base classes."""
    return str(kind.__struct_config__.tag or "")


def kinds(base: type[Message] = Message) -> Iterator[type[Message]]:
    """Every concrete kind of message that the contracts define."""
    for kind in base.__subclasses__():
        if tag(kind):
            yield kind
        yield from kinds(kind)


def test_every_message_has_a_sample() -> None:
    """A message without a sample would have no golden bytes."""
    assert {tag(type(sample)) for sample in SAMPLES} == {tag(kind) for kind in kinds()}


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: tag(type(sample)))
def test_wire_form_is_unchanged(sample: Message) -> None:
    """A message encodes to its recorded bytes, and they decode to the message."""
    recorded = golden()[tag(type(sample))]
    assert encode(sample) == recorded
    assert decode(recorded, type(sample)) == sample


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: tag(type(sample)))
def test_unknown_fields_are_ignored(sample: Message) -> None:
    """An older process reads what a newer one sends."""
    newer = msgspec.json.decode(encode(sample)) | {"added_later": 1}
    assert decode(msgspec.json.encode(newer), type(sample)) == sample


def test_what_was_added_to_old_messages_travels() -> None:
    """Left out where it says nothing, so that the recorded forms are still the wire's."""
    frame = chat.TextFrame(attempt=1, seq=1, text="x", anew=True)
    assert encode(frame).endswith(b'"text":"x","anew":true}')
    (failed,) = [sample for sample in SAMPLES if isinstance(sample, events.MessageFailed)]
    partial = msgspec.structs.replace(failed, text="so far", retry_after=2.5)
    assert encode(partial).endswith(b'"text":"so far","retry_after":2.5}')
    assert decode(encode(partial), events.MessageFailed) == partial


def test_public_event_names() -> None:
    """Events are called what the documentation calls them."""
    assert events.name_of(events.MessageReceived) == "message.received"
    assert events.name_of(events.ConversationStarted) == "conversation.started"


def test_sent_and_failed_exclude_each_other() -> None:
    """Both outcomes of a message carry one id, so the log takes only the first."""
    outcomes = [s for s in SAMPLES if isinstance(s, events.MessageSent | events.MessageFailed)]
    assert {EVENT_QUEUES[type(one)].subject_of(one).rsplit(".", 1)[1] for one in outcomes} == {
        "msg_1"
    }
    assert events.outcome_id("msg_1") == "evt_outcome_msg_1"
