"""Accounts: who pays, on which plan."""

from typing import Any

from libs.contracts.accounts import Account, Plan
from libs.runtime.clock import now
from libs.runtime.ids import new_id
from libs.runtime.mongo import Collection, Database


class Accounts:
    """The `accounts` collection."""

    def __init__(self, database: Database) -> None:
        self._accounts: Collection = database["accounts"]

    async def create(self, name: str, plan: Plan) -> Account:
        """Store a new account."""
        account = Account(id=new_id("acc"), name=name, plan=plan, created_at=now())
        document = {"_id": account.id, "name": name, "plan": plan, "created_at": account.created_at}
        await self._accounts.insert_one(document)
        return account

    async def get(self, account_id: str) -> Account | None:
        """Return the account, None when there is none."""
        document = await self._accounts.find_one({"_id": account_id})
        return _account(document) if document else None

    async def page(self, cursor: str | None, limit: int) -> tuple[list[Account], str | None]:
        """Return accounts, newest first, and the next cursor."""
        query = {"_id": {"$lt": cursor}} if cursor else {}
        found = await self._accounts.find(query).sort("_id", -1).to_list(limit + 1)
        accounts = [_account(document) for document in found[:limit]]
        return accounts, accounts[-1].id if len(found) > limit else None

    async def set_plan(
        self, account_id: str, plan: Plan, per_minute: int | None, per_day: int | None
    ) -> bool:
        """Change plan and limits. False when there is no such account."""
        changes = {"plan": plan, "requests_per_minute": per_minute, "requests_per_day": per_day}
        result = await self._accounts.update_one({"_id": account_id}, {"$set": changes})
        return bool(result.matched_count)


def _account(document: dict[str, Any]) -> Account:
    return Account(
        id=document["_id"],
        name=document["name"],
        plan=document["plan"],
        created_at=document["created_at"],
        requests_per_minute=document.get("requests_per_minute"),
        requests_per_day=document.get("requests_per_day"),
    )
