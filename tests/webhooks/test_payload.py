import json

import pytest
from jsonschema import Draft202012Validator, ValidationError  # type: ignore[import-untyped]

from libs.contracts import events, payloads
from services.webhooks.request.body import OFFERED, body_of
from services.webhooks.request.samples import sample
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
    happenings.CONVERSATION_ENDED: (
        '{"event":"conversation.ended",' + ENVELOPE + '{"conversation_id":"conv_abc123",'
        '"reason":"idle","last_message_at":"2026-01-23T10:00:00Z"}}'
    ),
    happenings.FEEDBACK_RECEIVED: (
        '{"event":"feedback.received",' + ENVELOPE + '{"conversation_id":"conv_abc123",'
        '"message_id":"msg_xyz789","rating":"down","comment":"Closed!"}}'
    ),
    happenings.CREDITS_LOW: (
        '{"event":"credits.low",' + ENVELOPE + '{"account_id":"acc_1","available":90,'
        '"threshold":100}}'
    ),
    happenings.CREDITS_EXHAUSTED: (
        '{"event":"credits.exhausted",' + ENVELOPE + '{"account_id":"acc_1","available":0}}'
    ),
    happenings.WEBHOOK_DISABLED: (
        '{"event":"webhook.disabled",' + ENVELOPE + '{"webhook_id":"wh_1","name":"CRM",'
        '"endpoint_url":"https://crm.example.com/hooks","reason":"failing",'
        '"failing_since":"2026-01-23T10:00:00Z"}}'
    ),
    happenings.SOURCE_READY: (
        '{"event":"source.ready",' + ENVELOPE + '{"source_id":"src_1","chunks":12,'
        '"notes":[{"code":"hidden_sheet","message":"It is hidden.","place":"sheet Costs"}]}}'
    ),
    happenings.SOURCE_FAILED: (
        '{"event":"source.failed",' + ENVELOPE + '{"source_id":"src_1",'
        '"error":{"message":"The text is empty."},"notes":[]}}'
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


@pytest.mark.parametrize("event", GOLDEN, ids=lambda event: events.name_of(type(event)))
def test_the_body_is_what_its_schema_says(event: events.Event) -> None:
    """And the schema notices a missing field, a wrong type and another event."""
    schema = payloads.schema_of(events.name_of(type(event)))
    Draft202012Validator.check_schema(schema)
    validator = Draft202012Validator(schema)
    body = json.loads(GOLDEN[event])
    validator.validate(body)
    first = next(iter(body["data"]))
    for wrong in (
        body | {"event": "message.read"},
        body | {"timestamp": 1},
        body | {"data": {name: value for name, value in body["data"].items() if name != first}},
        body | {"data": body["data"] | {first: []}},
    ):
        with pytest.raises(ValidationError):
            validator.validate(wrong)


@pytest.mark.parametrize("name", OFFERED)
def test_a_test_delivery_is_flagged_and_otherwise_like_a_real_one(name: str) -> None:
    """Made-up events have the shape of the real ones."""
    made_up = sample(name, "evt_test_1", "acc_1", "agent_xyz", happenings.AT)
    body = json.loads(body_of(made_up, test=True))
    assert (body["event"], body["test"]) == (name, True)
    Draft202012Validator(payloads.schema_of(name)).validate(body)


def test_an_event_of_the_account_is_told_for_the_endpoints_own_agent() -> None:
    """The envelope names the agent whose endpoint it is."""
    told = json.loads(body_of(happenings.CREDITS_LOW, "agent_other"))
    assert told["agent_id"] == "agent_other"


def test_all_shapes_are_offered() -> None:
    """What has a schema is what can be subscribed to."""
    assert set(payloads.DATA) == set(OFFERED)
