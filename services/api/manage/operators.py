"""The calls behind `alonchat account …`: accounts, their plans, their own keys."""

from libs.bus.bus import Bus
from libs.bus.errors import FaultError
from libs.contracts import accounts as contract
from libs.contracts import billing
from libs.contracts.accounts import AccountChanged, AccountCreated, AccountPage
from libs.contracts.calls import Done
from libs.runtime.ids import new_id
from services.api.edge.known import KnownCallers
from services.api.store.accounts import Accounts
from services.api.store.keys import Key, Keys


class Operators:
    """Answers them."""

    def __init__(self, bus: Bus, directory: KnownCallers, accounts: Accounts, keys: Keys) -> None:
        self._bus = bus
        self._directory = directory
        self._accounts = accounts
        self._keys = keys

    async def create_account(self, request: contract.CreateAccount) -> AccountCreated:
        """Open an account with its first credits and its first secret key."""
        account = await self._accounts.create(request.name, request.plan)
        if request.credits:
            grant = billing.Grant(
                account_id=account.id,
                grant_id=new_id("grant"),
                credits=request.credits,
                note="first credits",
            )
            await self._bus.call(billing.GRANT, grant)
        _, secret = await self._keys.create(account.id, None, "secret", "first key")
        return AccountCreated(account=account, secret_key=secret)

    async def list_accounts(self, request: contract.ListAccounts) -> AccountPage:
        """Answer with a page of accounts."""
        items, cursor = await self._accounts.page(request.cursor, request.limit)
        return AccountPage(items=tuple(items), next_cursor=cursor)

    async def get_account(self, request: contract.GetAccount) -> AccountChanged:
        """Answer with one account."""
        account = await self._accounts.get(request.account_id)
        if account is None:
            raise FaultError(
                "not_found", f"There is no account {request.account_id}.", "account_id"
            )
        return AccountChanged(account=account)

    async def set_plan(self, request: contract.SetPlan) -> AccountChanged:
        """Change plan and limits; the next request is counted against them."""
        await self._accounts.set_plan(
            request.account_id,
            request.plan,
            request.requests_per_minute,
            request.requests_per_day,
        )
        await self._directory.changed(request.account_id)
        return await self.get_account(contract.GetAccount(account_id=request.account_id))

    async def list_keys(self, request: contract.ListAccountKeys) -> contract.AccountKeys:
        """Answer with the account's own keys."""
        await self.get_account(contract.GetAccount(account_id=request.account_id))
        keys = await self._keys.of_account(request.account_id)
        return contract.AccountKeys(items=tuple(_described(key) for key in keys))

    async def create_key(self, request: contract.CreateAccountKey) -> contract.AccountKeyCreated:
        """Make another key of the account."""
        await self.get_account(contract.GetAccount(account_id=request.account_id))
        key, secret = await self._keys.create(request.account_id, None, "secret", request.name)
        return contract.AccountKeyCreated(key=_described(key), secret_key=secret)

    async def revoke_key(self, request: contract.RevokeAccountKey) -> Done:
        """Revoke a key of the account, on every replica."""
        if not await self._keys.revoke_of_account(request.account_id, request.key_id):
            raise FaultError("not_found", f"{request.key_id} is no key of the account.", "key_id")
        await self._directory.changed(request.key_id)
        return Done()


def _described(key: Key) -> contract.AccountKey:
    return contract.AccountKey(
        id=key.id,
        name=key.name,
        key_prefix=key.key_prefix,
        created_at=key.created_at,
        last_used_at=key.last_used_at,
    )
