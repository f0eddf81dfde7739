"""Accounts: who pays, on which plan."""

from libs.contracts.accounts import Account, Plan
from libs.runtime.clock import now
from libs.runtime.documents import from_document, page_of, reader, to_document
from libs.runtime.ids import new_id
from libs.runtime.mongo import Collection, Database


class Accounts:
    """The `accounts` collection."""

    def __init__(self, database: Database) -> None:
        self._accounts: Collection = database["accounts"]

    async def create(self, name: str, plan: Plan) -> Account:
        """Store a new account."""
        account = Account(id=new_id("acc"), name=name, plan=plan, created_at=now())
        await self._accounts.insert_one(to_document(account))
        return account

    async def get(self, account_id: str) -> Account | None:
        """Return the account, None when there is none."""
        document = await self._accounts.find_one({"_id": account_id})
        return from_document(document, Account) if document else None

    async def page(self, cursor: str | None, limit: int) -> tuple[list[Account], str | None]:
        """Return accounts, newest first, and the next cursor."""
        read = reader(Account)
        return await page_of(self._accounts, {}, read, cursor=cursor, limit=limit)

    async def set_plan(
        self, account_id: str, plan: Plan, per_minute: int | None, per_day: int | None
    ) -> bool:
        """Change plan and limits. False when there is no such account."""
        changes = {"plan": plan, "requests_per_minute": per_minute, "requests_per_day": per_day}
        result = await self._accounts.update_one({"_id": account_id}, {"$set": changes})
        return bool(result.matched_count)
