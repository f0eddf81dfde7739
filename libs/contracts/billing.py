"""What billing answers: holds, balances, the ledger, usage. Amounts are whole credits."""

from datetime import date, datetime
from typing import Literal

from libs.contracts.calls import Call, Done
from libs.contracts.message import Message, Part


class Hold(Message, frozen=True, kw_only=True, tag="billing.hold.v1"):
    """Set aside what one answer of `model` costs. The same message_id again changes nothing.

    The hold ends with the message's outcome: MessageSent debits it, MessageFailed gives it back.
    Nothing is set aside for `fallback_models`; their prices are asked.
    """

    account_id: str
    agent_id: str
    conversation_id: str
    message_id: str
    model: str
    fallback_models: tuple[str, ...] = ()


class Held(Message, frozen=True, kw_only=True, tag="billing.held.v1"):
    """The credits that were set aside. The fault is `insufficient_credits`.

    `fallback_credits` is what each of the fallback models costs instead, never more.
    """

    credits: int
    fallback_credits: tuple[int, ...] = ()


class Release(Message, frozen=True, kw_only=True, tag="billing.release.v1"):
    """Give a hold back at once: its request was refused and never published."""

    account_id: str
    message_id: str


class Grant(Message, frozen=True, kw_only=True, tag="billing.grant.v1"):
    """Add credits. The same grant_id again changes nothing."""

    account_id: str
    grant_id: str
    credits: int
    note: str = ""


class GetBalance(Message, frozen=True, kw_only=True, tag="billing.get_balance.v1"):
    """Ask for an account's balance."""

    account_id: str


class Balance(Message, frozen=True, kw_only=True, tag="billing.balance.v1"):
    """`balance` is what the ledger adds up to; `available` is that less what is on hold."""

    balance: int
    held: int
    available: int


class ListLedger(Message, frozen=True, kw_only=True, tag="billing.list_ledger.v1"):
    """Ask for ledger entries, newest first, after `cursor`; only those of `agent_id` if given."""

    account_id: str
    cursor: str | None = None
    limit: int = 50
    agent_id: str | None = None


class LedgerEntry(Part, frozen=True, kw_only=True):
    """One change of a balance: positive credits were added, negative ones spent."""

    id: str
    kind: Literal["grant", "debit", "refund"]
    credits: int
    at: datetime
    agent_id: str | None = None
    message_id: str | None = None
    model: str | None = None
    note: str = ""


class LedgerPage(Message, frozen=True, kw_only=True, tag="billing.ledger_page.v1"):
    """Entries and the cursor of the next page, None on the last one."""

    items: tuple[LedgerEntry, ...]
    next_cursor: str | None = None


class GetUsage(Message, frozen=True, kw_only=True, tag="billing.get_usage.v1"):
    """Ask what was spent from `since` to `until`, both days included, in UTC."""

    account_id: str
    since: date
    until: date
    agent_id: str | None = None


class UsageDay(Part, frozen=True, kw_only=True):
    """Answers and credits of one UTC day."""

    day: date
    messages: int
    credits: int


class Usage(Message, frozen=True, kw_only=True, tag="billing.usage.v1"):
    """One entry a day that had any, oldest first."""

    days: tuple[UsageDay, ...]


class Reconcile(Message, frozen=True, kw_only=True, tag="billing.reconcile.v1"):
    """Ask whether an account's ledger adds up to its balance."""

    account_id: str


class Reconciled(Message, frozen=True, kw_only=True, tag="billing.reconciled.v1"):
    """What an account's balance and its ledger say, both without what is being settled right now.

    `stale_holds`: holds that should have been ended by now. `settled` False: the account changed
    all the time while it was read, so the two numbers may be of different moments.
    """

    balance: int
    ledger: int
    entries: int
    holds: int
    stale_holds: int
    settled: bool


HOLD = Call("billing.hold", Hold, Held)
RELEASE = Call("billing.release", Release, Done)
GRANT = Call("billing.grant", Grant, Balance)
GET_BALANCE = Call("billing.get_balance", GetBalance, Balance)
LIST_LEDGER = Call("billing.list_ledger", ListLedger, LedgerPage)
RECONCILE = Call("billing.reconcile", Reconcile, Reconciled)
GET_USAGE = Call("billing.get_usage", GetUsage, Usage)
