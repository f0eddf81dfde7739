"""What api reacts to on the bus: operators' calls, outcomes, deleted agents, cache messages."""

from nats.aio.msg import Msg

from libs.bus.answers import answer
from libs.bus.bus import Bus
from libs.bus.errors import FaultError
from libs.bus.work import work
from libs.contracts import accounts as contract
from libs.contracts import billing, subjects
from libs.contracts.accounts import AccountChanged, AccountCreated, AccountPage, CacheInvalidated
from libs.contracts.calls import Done
from libs.contracts.events import AgentDeleted, MessageFailed, MessageSent, name_of
from libs.contracts.message import decode
from libs.runtime.ids import new_id
from services.api.conversations.forgetting import Forgetting
from services.api.conversations.record import Recorder
from services.api.edge.known import Directory
from services.api.store.accounts import Accounts
from services.api.store.conversations import Conversations
from services.api.store.keys import Key, Keys

EVENTS_AT_ONCE = 200
"""Events of one kind that a process works on at a time."""


async def register(
    bus: Bus,
    directory: Directory,
    accounts: Accounts,
    keys: Keys,
    conversations: Conversations,
    forgetting: Forgetting,
) -> None:
    """Subscribe api to its calls and events."""
    operators = Operators(bus, directory, accounts, keys)
    answer(bus, contract.CREATE_ACCOUNT, operators.create_account)
    answer(bus, contract.LIST_ACCOUNTS, operators.list_accounts)
    answer(bus, contract.SET_PLAN, operators.set_plan)
    answer(bus, contract.GET_ACCOUNT, operators.get_account)
    answer(bus, contract.LIST_ACCOUNT_KEYS, operators.list_keys)
    answer(bus, contract.CREATE_ACCOUNT_KEY, operators.create_key)
    answer(bus, contract.REVOKE_ACCOUNT_KEY, operators.revoke_key)

    recorder = Recorder(bus, conversations)
    for kind, handler in (
        (MessageSent, recorder.ended),
        (MessageFailed, recorder.ended),
        (AgentDeleted, forgetting.agent_deleted),
    ):
        name = name_of(kind)
        work(
            bus,
            subjects.EVENTS,
            subjects.every(name),
            kind,
            handler,
            durable=f"api_{name.replace('.', '_')}",
            slots=EVENTS_AT_ONCE,
        )

    async def invalidated(message: Msg) -> None:
        directory.forget(decode(message.data, CacheInvalidated).ids)

    # Every process gets every one of these: a plain subscription, without a queue group.
    await bus.client.subscribe(subjects.CACHE_INVALIDATED, cb=invalidated)


class Operators:
    """The calls behind `alonchat account …`."""

    def __init__(self, bus: Bus, directory: Directory, accounts: Accounts, keys: Keys) -> None:
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
