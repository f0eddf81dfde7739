import pytest

from libs.contracts import events
from services.webhooks.payload import OFFERED, body_of
from tests.webhooks import happenings

ENVELOPE = '"id":"evt_1","agent_id":"agent_xyz","timestamp":"2026-01-23T10:00:00Z","data":'

GOLDEN = {
    happenings.CONVERSATION_STARTED: (
        '{"event":"conversation.started",' + ENVELOPE + '{"conversation_id":"conv_abc123"}}'
    ),
    happenings.MESSAGE_RECEIVED: (
        '{"event":"message.received",' + ENVELOPE + '{"conversation_id":"conv_abc123",'
        '"message_id":"msg_xyz789","message":"Bukas ba kayo? 🙂"}}'
    ),
    happenings.MESSAGE_SENT: (
        '{"event":"message.sent",' + ENVELOPE + '{"conversation_id":"conv_abc123",'
        '"message_id":"msg_xyz789","message":"We\'re open Monday-Saturday.","confidence":0.87,'
        '"model":"gpt-5.2","sources":[{"id":"src_1","type":"qa","title":"Business Hours",'
        '"relevance":0.98}],"credits_used":5,"finish_reason":"stop"}}'
    ),
    happenings.MESSAGE_FAILED: (
        '{"event":"message.failed",' + ENVELOPE + '{"conversation_id":"conv_abc123",'
        '"message_id":"msg_xyz789","error":{"code":"upstream_timeout",'
        '"message":"The model did not answer in time."}}}'
    ),
    happenings.SOURCE_READY: (
        '{"event":"source.ready",' + ENVELOPE + '{"source_id":"src_1","chunks":12}}'
    ),
    happenings.SOURCE_FAILED: (
        '{"event":"source.failed",' + ENVELOPE + '{"source_id":"src_1",'
        '"error":{"message":"The text is empty."}}}'
    ),
}


@pytest.mark.parametrize("event", GOLDEN, ids=lambda event: events.name_of(type(event)))
def test_the_body_is_byte_for_byte_the_documented_one(event: events.Event) -> None:
    """Subscribers depend on these names; a change here is a change of the public API."""
    assert body_of(event) == GOLDEN[event]


def test_every_event_has_a_golden_body() -> None:
    """An event that is offered later must be pinned here too."""
    assert {events.name_of(type(event)) for event in GOLDEN} == set(OFFERED)


def test_everything_but_the_end_of_an_agent_is_offered() -> None:
    """A new event of the contracts is offered, or left out on purpose."""
    kinds = set(events.AnyEvent.__args__) - {events.AgentDeleted}
    assert {events.name_of(kind) for kind in kinds} == set(OFFERED)
