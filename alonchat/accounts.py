"""`alonchat account …`: accounts, their plans and credits, through calls on the bus."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Annotated, TypeVar

import msgspec
from cyclopts import App, Parameter, validators

from alonchat.connection import connected
from alonchat.output import show, table
from libs.bus.bus import Bus
from libs.contracts.accounts import (
    CREATE_ACCOUNT,
    CREATE_ACCOUNT_KEY,
    LIST_ACCOUNT_KEYS,
    LIST_ACCOUNTS,
    REVOKE_ACCOUNT_KEY,
    SET_PLAN,
    Account,
    AccountKey,
    CreateAccount,
    CreateAccountKey,
    ListAccountKeys,
    ListAccounts,
    Plan,
    RevokeAccountKey,
    SetPlan,
)
from libs.contracts.billing import GET_BALANCE, GRANT, Balance, GetBalance, Grant
from libs.runtime.ids import new_id
from libs.runtime.settings import Settings

app = App(name="account", help="Accounts: who may use the API, how much, and with which credits.")

Json = Annotated[bool, Parameter(name="--json", negative="", help="Print one JSON document.")]
Credits = Annotated[int, Parameter(validator=validators.Number(gte=0, lte=10**12))]
Granted = Annotated[int, Parameter(validator=validators.Number(gte=1, lte=10**12))]
Limit = Annotated[int | None, Parameter(validator=validators.Number(gte=1))]
T = TypeVar("T")


class Listed(msgspec.Struct, kw_only=True):
    """An account and what it has to spend."""

    account: Account
    balance: Balance


@app.command
def create(*, name: str, plan: Plan = "free", credits: Credits = 0, json: Json = False) -> None:
    """Open an account and print its first secret key, which is never shown again."""
    request = CreateAccount(name=name, plan=plan, credits=credits)
    created = asyncio.run(_with_bus(lambda bus: bus.call(CREATE_ACCOUNT, request)))
    account = created.account
    lines = [
        f"{account.id}  {account.name}  {account.plan}",
        f"Its secret key, shown this once: {created.secret_key}",
    ]
    document = {"account": account, "credits": credits, "secret_key": created.secret_key}
    show(document, lines, as_json=json)


@app.command(name="list")
def list_(*, json: Json = False) -> None:
    """List all accounts, newest first, with their balances."""
    listed = asyncio.run(_with_bus(_all))
    header = ("ID", "NAME", "PLAN", "BALANCE", "ON HOLD", "CREATED")
    show({"accounts": listed}, table(header, [_row(one) for one in listed]), as_json=json)


@app.command
def set_plan(
    account: str,
    plan: Plan,
    *,
    requests_per_minute: Limit = None,
    requests_per_day: Limit = None,
    json: Json = False,
) -> None:
    """Change an account's plan; the two limits replace those of the plan."""
    request = SetPlan(
        account_id=account,
        plan=plan,
        requests_per_minute=requests_per_minute,
        requests_per_day=requests_per_day,
    )
    changed = asyncio.run(_with_bus(lambda bus: bus.call(SET_PLAN, request)))
    show(changed.account, [f"{account} has the plan {plan} now."], as_json=json)


@app.command
def grant(account: str, credits: Granted, *, note: str = "", json: Json = False) -> None:
    """Add credits to an account's balance."""
    # The id lets the call be repeated after a time-out without granting twice.
    request = Grant(account_id=account, grant_id=new_id("grant"), credits=credits, note=note)
    balance = asyncio.run(_with_bus(lambda bus: bus.call(GRANT, request)))
    show(balance, [f"{account} has {balance.balance} credits now."], as_json=json)


@app.command
def keys(account: str, *, json: Json = False) -> None:
    """List the keys of the whole account; those of its agents are the API's to list."""
    request = ListAccountKeys(account_id=account)
    found = asyncio.run(_with_bus(lambda bus: bus.call(LIST_ACCOUNT_KEYS, request)))
    header = ("ID", "KEY", "NAME", "CREATED", "LAST USED")
    show({"keys": found.items}, table(header, [_key_row(key) for key in found.items]), as_json=json)


@app.command
def create_key(account: str, *, name: str = "", json: Json = False) -> None:
    """Make another secret key for the whole account and print it, this once."""
    request = CreateAccountKey(account_id=account, name=name)
    created = asyncio.run(_with_bus(lambda bus: bus.call(CREATE_ACCOUNT_KEY, request)))
    lines = [f"{created.key.id}, shown this once: {created.secret_key}"]
    show({"key": created.key, "secret_key": created.secret_key}, lines, as_json=json)


@app.command
def revoke_key(account: str, key: str, *, json: Json = False) -> None:
    """Revoke a key of the whole account; every replica refuses it within a second."""
    request = RevokeAccountKey(account_id=account, key_id=key)
    asyncio.run(_with_bus(lambda bus: bus.call(REVOKE_ACCOUNT_KEY, request)))
    show({"revoked": key}, [f"{key} is revoked."], as_json=json)


async def _with_bus(ask: Callable[[Bus], Awaitable[T]]) -> T:
    async with connected(Settings.load()) as bus:
        return await ask(bus)


async def _all(bus: Bus) -> list[Listed]:
    accounts: list[Account] = []
    cursor: str | None = None
    while True:
        page = await bus.call(LIST_ACCOUNTS, ListAccounts(cursor=cursor))
        accounts += page.items
        cursor = page.next_cursor
        if cursor is None:
            return [await _with_balance(bus, account) for account in accounts]


async def _with_balance(bus: Bus, account: Account) -> Listed:
    balance = await bus.call(GET_BALANCE, GetBalance(account_id=account.id))
    return Listed(account=account, balance=balance)


def _row(listed: Listed) -> tuple[str, ...]:
    account, balance = listed.account, listed.balance
    created = f"{account.created_at:%Y-%m-%d %H:%M}"
    held = str(balance.held)
    return (account.id, account.name, account.plan, str(balance.balance), held, created)


def _key_row(key: AccountKey) -> tuple[str, ...]:
    used = f"{key.last_used_at:%Y-%m-%d %H:%M}" if key.last_used_at else "never"
    return (key.id, key.key_prefix, key.name, f"{key.created_at:%Y-%m-%d %H:%M}", used)
