"""Whether every promise was kept: what clients were left with against what is stored and billed."""

import json
from collections import Counter, defaultdict
from datetime import UTC, datetime
from typing import Any

import msgspec
from standardwebhooks import Webhook

from libs.bus.bus import Bus
from libs.contracts import subjects
from libs.contracts.events import AnyEvent, MessageFailed, MessageReceived, MessageSent
from libs.contracts.message import decode
from tests.chaos.adding import Added
from tests.chaos.talk import Said
from tests.fakes.webhook_receiver import Received, Receiver
from tests.flow.client import Client

Messages = dict[str, dict[str, Any]]


async def pages(client: Client, path: str) -> list[dict[str, Any]]:
    """Return all items of a list."""
    items: list[dict[str, Any]] = []
    cursor: dict[str, str] = {}
    while True:
        page = await client.get(path, params={"limit": 100} | cursor)
        items += page["items"]
        if not page["has_more"]:
            return items
        cursor = {"cursor": page["next_cursor"]}


class Audit:
    """Looks at everything once; `violations` says what is wrong."""

    def __init__(
        self, client: Client, bus: Bus, said: list[Said], added: list[Added], granted: int
    ) -> None:
        self._client = client
        self._bus = bus
        self._said = said
        self._added = added
        self._granted = granted
        self.violations: list[str] = []
        self.questions: Messages = {}
        self.answers: Messages = {}
        self.delivered = 0

    async def run(self, agents: list[str], receiver: Receiver, secrets: dict[str, str]) -> None:
        """Check all."""
        await self._read_conversations(agents)
        self._check_clients()
        self._check_keys()
        await self._check_ledger()
        await self._check_webhooks(receiver, secrets)
        await self._check_dead_letters()
        await self._check_sources()

    def _wrong(self, what: str) -> None:
        self.violations.append(what)

    async def _read_conversations(self, agents: list[str]) -> None:
        """Every question has its answer right behind it."""
        for agent_id in agents:
            for row in await pages(self._client, f"/v1/agents/{agent_id}/conversations"):
                conversation = await self._client.get(f"/v1/conversations/{row['id']}")
                self._check_order(row["id"], conversation["messages"])

    def _check_order(self, conversation_id: str, messages: list[dict[str, Any]]) -> None:
        waiting: str | None = None
        for message in messages:
            if message["role"] == "user":
                if waiting:
                    self._wrong(f"{conversation_id}: {waiting} has no answer")
                waiting = message["id"].removesuffix("q")
                self.questions[waiting] = message
                continue
            # A failed message may have no question: storing that is what failed.
            if message["id"] != waiting and message["status"] != "failed":
                self._wrong(f"{conversation_id}: {message['id']} answers nothing")
            if message["id"] == waiting:
                waiting = None
            self.answers[message["id"]] = message
        if waiting:
            self._wrong(f"{conversation_id}: {waiting} has no answer")

    def _check_clients(self) -> None:
        """What a client was left with is what is stored."""
        for said in self._said:
            for note in said.notes:
                self._wrong(f"{said.kind} {said.message_id}: {note}")
            if said.end in {"pending", "lost"}:
                self._wrong(f"{said.kind} {said.message_id}: {said.end} {said.code}")
            if said.message_id is None:
                continue
            stored = self.answers.get(said.message_id)
            if stored is None:
                if said.end != "refused":  # which has a name, so that its client can ask for it
                    self._wrong(f"{said.message_id} was accepted and has no end")
            elif said.end == "done":
                self._compare(said, stored)
            elif said.end == "failed" and stored["status"] != "failed":
                self._wrong(f"{said.message_id} failed for its client, is {stored['status']}")

    def _compare(self, said: Said, stored: dict[str, Any]) -> None:
        expected = "cancelled" if said.finish_reason == "cancelled" else "done"
        if stored["status"] != expected:
            self._wrong(f"{said.message_id} was {expected} for its client, is {stored['status']}")
        elif stored["content"] != said.text:
            self._wrong(
                f"{said.kind} {said.message_id}: the client has {said.text[-60:]!r} "
                f"({len(said.text)}), stored is {stored['content'][-60:]!r} "
                f"({len(stored['content'])})"
            )

    def _check_keys(self) -> None:
        """A message with an Idempotency-Key is answered at most once."""
        keyed = {said.question for said in self._said if said.key}
        answered = Counter(
            self.questions[message_id]["content"]
            for message_id, answer in self.answers.items()
            if message_id in self.questions and answer["status"] != "failed"
        )
        for question in keyed:
            if answered[question] > 1:
                self._wrong(f"{question!r} was sent under one key, answered {answered[question]} x")

    async def _check_sources(self) -> None:
        """What was added is ready, with as many chunks as it has rows."""
        for one in self._added:
            path = f"/v1/agents/{one.agent_id}/sources/{one.source_id}"
            source = await self._client.get(path)
            if (source["status"], source["chunks"]) != ("ready", one.rows):
                self._wrong(
                    f"{one.source_id} of {one.rows} rows: {source['status']}, "
                    f"{source['chunks']} chunks, {source['error']}"
                )

    async def _check_ledger(self) -> None:
        """Each answer is debited once at its price; the balance is what is left."""
        entries = await pages(self._client, "/v1/credits/ledger")
        debits: dict[str, list[int]] = defaultdict(list)
        for entry in entries:
            if entry["type"] == "debit":
                debits[entry["message_id"]].append(-entry["credits"])
        for message_id, answer in self.answers.items():
            price = answer.get("credits_used", 0)
            if debits.pop(message_id, [0]) != [price]:
                self._wrong(f"{message_id} costs {price}, its debits differ")
        for message_id in debits:
            self._wrong(f"{message_id} was debited and is not there")
        balance = await self._client.get("/v1/credits")
        if balance["held"]:
            self._wrong(f"{balance['held']} credits are still on hold")
        if balance["balance"] != sum(entry["credits"] for entry in entries):
            self._wrong(f"the balance {balance['balance']} is not the sum of the ledger")
        spent = sum(answer.get("credits_used", 0) for answer in self.answers.values())
        if balance["balance"] != self._granted - spent:
            self._wrong(f"the balance is {balance['balance']}, not {self._granted} - {spent}")

    async def _check_webhooks(self, receiver: Receiver, secrets: dict[str, str]) -> None:
        """Every event on the log was delivered, signed; every answer has its event."""
        delivered = set()
        for request in receiver.received:
            if not _signed(request, secrets[request.path]):
                self._wrong(f"{request.headers['webhook-id']} is not signed with the secret")
            delivered.add(json.loads(request.body)["id"])
        self.delivered = len(receiver.received)
        ended = set()
        async for event in self._logged():
            if event.event_id not in delivered:
                self._wrong(f"{event.event_id} was not delivered")
            if not isinstance(event, MessageReceived):
                ended.add(event.message_id)
        for message_id in self.answers.keys() - ended:
            self._wrong(f"{message_id} is stored, its outcome not on the log")

    async def _logged(self) -> Any:
        # Not what the consumer has pending: all may have been pushed by the time that it is asked.
        waiting = await self._bus.kept(subjects.EVENTS)
        subscription = await self._bus.jetstream.subscribe("events.>", ordered_consumer=True)
        while waiting:
            message = await subscription.next_msg(timeout=10)
            waiting = message.metadata.num_pending
            event = decode(message.data, AnyEvent)
            if isinstance(event, MessageReceived | MessageSent | MessageFailed):
                yield event
        await subscription.unsubscribe()

    async def _check_dead_letters(self) -> None:
        info = await self._bus.jetstream.stream_info(subjects.DEAD.name)
        if info.state.messages:
            last = await self._bus.last(subjects.DEAD, "dead.>")
            reason = msgspec.json.encode(last.headers).decode() if last else ""
            self._wrong(f"{info.state.messages} dead letters, the last one {reason}")


def _signed(request: Received, secret: str) -> bool:
    """Whether the signature is right; its age does not count, it may have come long ago."""
    headers = request.headers
    sent = datetime.fromtimestamp(int(headers["webhook-timestamp"]), UTC)
    signature = Webhook(secret).sign(headers["webhook-id"], sent, request.body.decode())
    return signature in headers["webhook-signature"].split()
