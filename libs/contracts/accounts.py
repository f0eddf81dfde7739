"""What api answers to the operators' command: accounts and their plans."""

from datetime import datetime
from typing import Literal

from libs.contracts.calls import Call, Done
from libs.contracts.message import Message, Part

Plan = Literal["free", "starter", "pro", "enterprise"]


class CreateAccount(Message, frozen=True, kw_only=True, tag="api.create_account.v1"):
    """Open an account with a plan and its first credits."""

    name: str
    plan: Plan
    credits: int


class Account(Part, frozen=True, kw_only=True):
    """An account. The two limits are None unless set apart from the plan's."""

    id: str
    name: str
    plan: Plan
    created_at: datetime
    requests_per_minute: int | None = None
    requests_per_day: int | None = None


class AccountCreated(Message, frozen=True, kw_only=True, tag="api.account_created.v1"):
    """The new account and its first secret key, which is never shown again."""

    account: Account
    secret_key: str


class ListAccounts(Message, frozen=True, kw_only=True, tag="api.list_accounts.v1"):
    """Ask for accounts, newest first, after `cursor`."""

    cursor: str | None = None
    limit: int = 100


class AccountPage(Message, frozen=True, kw_only=True, tag="api.account_page.v1"):
    """Accounts and the cursor of the next page, None on the last one."""

    items: tuple[Account, ...]
    next_cursor: str | None = None


class SetPlan(Message, frozen=True, kw_only=True, tag="api.set_plan.v1"):
    """Change an account's plan. The limits replace the plan's; None means the plan's own."""

    account_id: str
    plan: Plan
    requests_per_minute: int | None = None
    requests_per_day: int | None = None


class AccountChanged(Message, frozen=True, kw_only=True, tag="api.account_changed.v1"):
    """The account after a change."""

    account: Account


class GetAccount(Message, frozen=True, kw_only=True, tag="api.get_account.v1"):
    """Ask for one account."""

    account_id: str


class AccountKey(Part, frozen=True, kw_only=True):
    """A secret key of the whole account, without its secret."""

    id: str
    name: str
    key_prefix: str
    created_at: datetime
    last_used_at: datetime | None = None


class ListAccountKeys(Message, frozen=True, kw_only=True, tag="api.list_account_keys.v1"):
    """Ask for the keys of the whole account; those of its agents are not among them."""

    account_id: str


class AccountKeys(Message, frozen=True, kw_only=True, tag="api.account_keys.v1"):
    """An account's own keys, newest first."""

    items: tuple[AccountKey, ...]


class CreateAccountKey(Message, frozen=True, kw_only=True, tag="api.create_account_key.v1"):
    """Make another key for the whole account."""

    account_id: str
    name: str


class AccountKeyCreated(Message, frozen=True, kw_only=True, tag="api.account_key_created.v1"):
    """The new key and its secret, which is never shown again."""

    key: AccountKey
    secret_key: str


class RevokeAccountKey(Message, frozen=True, kw_only=True, tag="api.revoke_account_key.v1"):
    """Revoke a key of the whole account, on every replica."""

    account_id: str
    key_id: str


class CacheInvalidated(Message, frozen=True, kw_only=True, tag="cache.invalidated.v1"):
    """Keys, agents or accounts changed: every api process drops what it remembers of these ids."""

    ids: tuple[str, ...]


CREATE_ACCOUNT = Call("api.create_account", CreateAccount, AccountCreated, idempotent=False)
LIST_ACCOUNTS = Call("api.list_accounts", ListAccounts, AccountPage)
SET_PLAN = Call("api.set_plan", SetPlan, AccountChanged)
GET_ACCOUNT = Call("api.get_account", GetAccount, AccountChanged)
LIST_ACCOUNT_KEYS = Call("api.list_account_keys", ListAccountKeys, AccountKeys)
CREATE_ACCOUNT_KEY = Call(
    "api.create_account_key", CreateAccountKey, AccountKeyCreated, idempotent=False
)
# Asked again, it would say that there is no such key.
REVOKE_ACCOUNT_KEY = Call("api.revoke_account_key", RevokeAccountKey, Done, idempotent=False)
