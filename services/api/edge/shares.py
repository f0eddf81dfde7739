"""What each account has of a process's places, so that no one account can take them all."""

import time
from collections import Counter
from typing import Generic, TypeVar
from weakref import WeakSet, WeakValueDictionary

Holder = TypeVar("Holder")


class Share(WeakSet[Holder], Generic[Holder]):
    """The holders of one account's places; whoever is gone has none."""


class Shares(Generic[Holder]):
    """The shares of all accounts: one lives as long as its holders, each of whom keeps it."""

    def __init__(self) -> None:
        self._of_account: WeakValueDictionary[str, Share[Holder]] = WeakValueDictionary()
        self._all: WeakSet[Holder] = WeakSet()

    @property
    def total(self) -> int:
        """How many places all accounts have together."""
        return len(self._all)

    def taken(self, account_id: str) -> int:
        """Return how many places an account has."""
        share = self._of_account.get(account_id)
        return 0 if share is None else len(share)

    def take(self, account_id: str, holder: Holder) -> Share[Holder]:
        """Give an account's holder a place, for as long as it lives; it has to keep the result."""
        share = self._of_account.get(account_id)
        if share is None:
            share = self._of_account[account_id] = Share()
        share.add(holder)
        self._all.add(holder)
        return share

    def give_back(self, share: Share[Holder], holder: Holder) -> None:
        """Take a holder's place back before its life ends; again, it changes nothing.

        A life may end late: what an exception has passed lives until garbage is collected.
        """
        share.discard(holder)
        self._all.discard(holder)


class WaitingLine:
    """The questions of each account that no worker has said anything to yet.

    Whoever asked may have left: the question waits all the same. One that nothing is heard of for
    `patience` seconds does not wait any more.
    """

    def __init__(self, patience: float) -> None:
        self._patience = patience
        self._waiting: dict[str, tuple[float, str]] = {}  # the one that came first is first
        self._counts: Counter[str] = Counter()

    def add(self, message_id: str, account_id: str) -> None:
        """Put a question in line; one that is there already has one place."""
        self.answered(message_id)
        self._waiting[message_id] = (time.monotonic() + self._patience, account_id)
        self._counts[account_id] += 1

    def answered(self, message_id: str) -> None:
        """Note that a worker has said something; again, it changes nothing."""
        if message_id in self._waiting:
            self._drop(message_id)

    def waiting(self, account_id: str) -> int:
        """Return how many questions of an account wait."""
        now = time.monotonic()
        while self._waiting:
            oldest = next(iter(self._waiting))
            if self._waiting[oldest][0] > now:
                break
            self._drop(oldest)
        return self._counts[account_id]

    def _drop(self, message_id: str) -> None:
        _, account_id = self._waiting.pop(message_id)
        self._counts[account_id] -= 1
        if not self._counts[account_id]:
            del self._counts[account_id]
