"""/v1/credits, /v1/credits/ledger, /v1/usage. billing owns them; the edge asks it."""

from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any, Literal

import msgspec
from litestar import Request, get
from litestar.params import Parameter

from libs.bus.bus import Bus
from libs.contracts import billing
from services.api.edge.auth import Caller
from services.api.http.errors import InvalidRequest, NotFound
from services.api.http.paging import DEFAULT_LIMIT, Cursor, Limit, Page, page
from services.api.http.ranges import check_moment

DEFAULT_DAYS = 30
MOST_DAYS = 366


class CreditsView(msgspec.Struct, kw_only=True):
    """Credits: `balance` is what the ledger adds up to, `available` that less `held`.

    Credits are held while an answer is being made.
    """

    balance: int
    held: int
    available: int


class LedgerEntryView(msgspec.Struct, kw_only=True):
    """One change of the balance: credits above zero were added, below zero spent."""

    id: str
    type: Literal["grant", "debit", "refund"]
    credits: int
    created_at: datetime
    agent_id: str | None
    message_id: str | None
    model: str | None
    note: str


class UsageDayView(msgspec.Struct, kw_only=True):
    """Answers and credits of one UTC day."""

    date: date
    messages: int
    credits: int


class UsageView(msgspec.Struct, kw_only=True):
    """Usage by day; a day without any is left out."""

    since: date
    until: date
    days: list[UsageDayView]


@get("/v1/credits", summary="Get the credit balance", tags=["Credits and usage"])
async def get_credits(request: Request[Caller, str, Any], bus: Bus) -> CreditsView:
    """Get the account's credits. For a key of the account."""
    request.user.require_account_key()
    question = billing.GetBalance(account_id=request.user.account.id)
    found = await bus.call(billing.GET_BALANCE, question)
    return CreditsView(balance=found.balance, held=found.held, available=found.available)


@get("/v1/credits/ledger", summary="List the credit ledger", tags=["Credits and usage"])
async def list_ledger(
    request: Request[Caller, str, Any],
    bus: Bus,
    cursor: Cursor = None,
    limit: Limit = DEFAULT_LIMIT,
) -> Page[LedgerEntryView]:
    """List every change of the balance, newest first; a key of an agent lists the agent's."""
    request.user.require_secret()
    question = billing.ListLedger(
        account_id=request.user.account.id,
        agent_id=request.user.key.agent_id,
        cursor=cursor,
        limit=limit,
    )
    found = await bus.call(billing.LIST_LEDGER, question)
    entries = [
        LedgerEntryView(
            id=entry.id,
            type=entry.kind,
            credits=entry.credits,
            created_at=entry.at,
            agent_id=entry.agent_id,
            message_id=entry.message_id,
            model=entry.model,
            note=entry.note,
        )
        for entry in found.items
    ]
    return page(entries, found.next_cursor)


@get("/v1/usage", summary="Get usage by day", tags=["Credits and usage"])
async def get_usage(
    request: Request[Caller, str, Any],
    bus: Bus,
    since: Annotated[
        date | None, Parameter(query="since", description="First day; default: 30 days ago")
    ] = None,
    until: Annotated[
        date | None, Parameter(query="until", description="Last day; default: today")
    ] = None,
    agent_id: Annotated[str | None, Parameter(query="agent_id", max_length=100)] = None,
) -> UsageView:
    """Get answers and credits by UTC day; a key of an agent gets the agent's."""
    request.user.require_secret()
    if agent_id is not None and not request.user.may_use(agent_id):
        raise NotFound("agent")
    for name, day in (("since", since), ("until", until)):
        check_moment(day, name)
    last = until or datetime.now(UTC).date()
    first = since or last - timedelta(days=DEFAULT_DAYS)
    if not 0 <= (last - first).days < MOST_DAYS:
        raise InvalidRequest(f"The range must be 1 to {MOST_DAYS} days.", param="since")
    question = billing.GetUsage(
        account_id=request.user.account.id,
        since=first,
        until=last,
        agent_id=request.user.key.agent_id or agent_id,
    )
    found = await bus.call(billing.GET_USAGE, question)
    days = [
        UsageDayView(date=day.day, messages=day.messages, credits=day.credits) for day in found.days
    ]
    return UsageView(since=first, until=last, days=days)
