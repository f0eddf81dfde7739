"""What api reacts to on the bus: operators' calls, outcomes, deleted agents, cache messages."""

from libs.bus.bus import Bus
from libs.bus.calls import serve_call
from libs.bus.queues import consume
from libs.bus.topics import listen
from libs.contracts import accounts
from libs.contracts.queues import AGENT_DELETED, CACHE_INVALIDATED, MESSAGE_FAILED, MESSAGE_SENT
from services.api.conversations.forgetting import Forgetting
from services.api.conversations.record import Recorder
from services.api.edge.known import KnownCallers
from services.api.manage.operators import Operators

SERVICE = "api"
EVENTS_AT_ONCE = 200
"""Events of one kind that a process works on at a time."""


async def register(
    bus: Bus,
    directory: KnownCallers,
    operators: Operators,
    recorder: Recorder,
    forgetting: Forgetting,
) -> None:
    """Subscribe api to its calls and events."""
    serve_call(bus, accounts.CREATE_ACCOUNT, operators.create_account)
    serve_call(bus, accounts.LIST_ACCOUNTS, operators.list_accounts)
    serve_call(bus, accounts.SET_PLAN, operators.set_plan)
    serve_call(bus, accounts.GET_ACCOUNT, operators.get_account)
    serve_call(bus, accounts.LIST_ACCOUNT_KEYS, operators.list_keys)
    serve_call(bus, accounts.CREATE_ACCOUNT_KEY, operators.create_key)
    serve_call(bus, accounts.REVOKE_ACCOUNT_KEY, operators.revoke_key)
    consume(bus, MESSAGE_SENT, recorder.ended, by=SERVICE, slots=EVENTS_AT_ONCE)
    consume(bus, MESSAGE_FAILED, recorder.ended, by=SERVICE, slots=EVENTS_AT_ONCE)
    consume(bus, AGENT_DELETED, forgetting.agent_deleted, by=SERVICE, slots=EVENTS_AT_ONCE)
    await listen(bus, CACHE_INVALIDATED, directory.invalidated)
