"""Queues as data: what is declared is what is sent and consumed, and what mypy holds."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from mypy import api as mypy

from libs.contracts import queues
from libs.contracts.asyncapi import SENT, kinds_of
from libs.contracts.calls import SERVICES
from libs.contracts.queues import QUEUES, Queue, Topic
from tests.contracts.samples import SAMPLES

ROOT = Path(__file__).parents[2]
CONSTANTS = {one.name: name for name, one in vars(queues).items() if isinstance(one, Queue | Topic)}
"""How the code calls each queue and topic, by its name."""
MADE_BY = {"message.failed": {"failure_of"}}
"""Functions of the contracts that make a message."""
WRONG = """
from libs.bus.bus import Bus
from libs.bus.queues import Delivered, consume
from libs.contracts.chat import ChatGrounded, ChatRequested
from libs.contracts.queues import CHAT_CANCELLED, CHAT_GROUNDED, CHAT_REQUESTED

async def handle(delivered: Delivered[ChatRequested]) -> None: ...

async def send(bus: Bus, requested: ChatRequested, grounded: ChatGrounded) -> None:
    await bus.send(CHAT_REQUESTED, requested)
    await bus.send(CHAT_REQUESTED, grounded)  # wrong
    await bus.tell(CHAT_CANCELLED, grounded)  # wrong
    consume(bus, CHAT_REQUESTED, handle, by="rag", slots=1)
    consume(bus, CHAT_GROUNDED, handle, by="rag", slots=1)  # wrong
"""


def test_what_does_not_belong_on_a_queue_is_no_program(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Mypy refuses a message that is not the queue's, and a handler of another one."""
    monkeypatch.chdir(ROOT)
    program = tmp_path / "wrong.py"
    program.write_text(WRONG)
    wrong = [number for number, line in enumerate(WRONG.splitlines(), 1) if "# wrong" in line]
    report, _, _ = mypy.run(["--strict", "--no-error-summary", str(program)])
    found = re.findall(r"wrong\.py:(\d+): error: ", report)
    assert [int(number) for number in found] == wrong, report


@pytest.mark.parametrize("queue", QUEUES, ids=lambda queue: queue.name)
def test_a_queue_is_whole(queue: Queue[object]) -> None:
    """Its stream takes its subjects, and each message names its place and itself."""
    samples = [one for one in SAMPLES if isinstance(one, kinds_of(queue.kind))]
    assert samples
    for sample in samples:
        subject = queue.subject_of(sample)
        assert _takes(queue.stream.subjects, subject)
        assert _takes((queue.pattern,), subject)
        assert queue.key(sample)


def test_names_are_unique() -> None:
    """Of queues and topics, as consumers and the AsyncAPI document need it."""
    names = [one.name for one in SENT]
    assert len(set(names)) == len(names)


def _takes(patterns: tuple[str, ...], subject: str) -> bool:
    return any(
        re.fullmatch(re.escape(one).replace(r"\*", "[^.]+").replace(">", ".+"), subject)
        for one in patterns
    )


def _names(service: str) -> Iterator[str]:
    """Yield the names that a service's modules, handlers.py apart, use."""
    for path in (ROOT / "services" / service).rglob("*.py"):
        if path.name == "handlers.py":
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Name):
                yield node.id


def _receives(service: str) -> set[str]:
    """Return the queues and topics in a service's table of handlers."""
    tree = ast.parse((ROOT / "services" / service / "handlers.py").read_text())
    return {
        node.args[1].id
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id in {"consume", "listen"}
        and isinstance(node.args[1], ast.Name)
    }


@pytest.mark.parametrize("service", SERVICES)
def test_who_receives_is_who_is_declared(service: str) -> None:
    """Each service's table, against the declarations; replies have an inbox of their own."""
    declared = {
        CONSTANTS[one.name]
        for one in SENT
        if service in one.receivers and one.name != "chat.replies"
    }
    assert _receives(service) == declared


@pytest.mark.parametrize("service", SERVICES)
def test_who_sends_is_who_is_declared(service: str) -> None:
    """A service's code names what it sends: the queue, or the event's type."""
    names = set(_names(service))
    for one in SENT:
        if service in one.senders:
            sent = {CONSTANTS[one.name]} | {kind.__name__ for kind in kinds_of(one.kind)}
            assert (sent | MADE_BY.get(one.name, set())) & names, one.name
