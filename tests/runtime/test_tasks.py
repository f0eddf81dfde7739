"""Background loops survive everything, and every task is one or has somebody who waits for it."""

import ast
import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from pymongo.errors import CursorNotFound

from libs.bus.errors import FaultError, ServiceUnavailable
from libs.runtime.outages import MongoUnavailable
from libs.runtime.tasks import background, forever

ROOT = Path(__file__).parents[2]
AWAITED = {
    "libs/bus/bus.py": "run(): its end is looked at, and close() waits for it",
    "libs/bus/pull.py": "forever()",
    "libs/runtime/group_commit.py": "ends with the group; who added an item gets what it raises",
    "libs/runtime/tasks.py": "forever()",
    "services/api/chat/accept.py": "within a request, which awaits or cancels both",
    "services/api/app.py": "vital()",
    "services/api/edge/health.py": "those who ask wait for it together",
    "services/api/http/presence.py": "within a request",
    "services/api/http/sse.py": "within a stream",
    "services/rag/embed/server.py": "a probe: whoever asks next looks at it, close() waits",
    "services/rag/crawl/crawl.py": "visits: the crawl awaits each",
    "alonchat/stack/supervise.py": "watches a child; it survives what keeps one from starting",
    "alonchat/stack/up.py": "within the start",
}
"""Modules that start tasks, and who looks at how these end."""

EVERYTHING = (
    ServiceUnavailable("nats"),
    MongoUnavailable("away"),
    CursorNotFound("the server was restarted"),
    FaultError("internal", "odd"),
    ValueError("a bug"),
    UnicodeDecodeError("utf-8", b"\xff", 0, 1, "odd"),
    RecursionError(),
    MemoryError(),
    TimeoutError(),
    OSError("no space left on device"),
)


class Step:
    """A step that meets one thing after another."""

    def __init__(self, errors: tuple[Exception, ...]) -> None:
        self.errors = list(errors)
        self.done = asyncio.Event()

    async def __call__(self) -> None:
        """Raise the next error; when there is none left, say so."""
        if self.errors:
            raise self.errors.pop(0)
        self.done.set()


async def test_a_loop_goes_on_whatever_it_meets() -> None:
    """Each exception is logged, and the next step is taken."""
    step = Step(EVERYTHING)
    loop = asyncio.create_task(forever("test", step, every=0, after_failure=0))
    async with asyncio.timeout(10):
        await step.done.wait()
    loop.cancel()


async def test_a_loop_ends_with_its_block() -> None:
    """Also in the middle of a step."""
    begun, cancelled = asyncio.Event(), asyncio.Event()

    async def step() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.set()
            raise

    async with background("test", step, every=0):
        await begun.wait()
    assert cancelled.is_set()


async def test_a_failing_loop_does_not_spin() -> None:
    """One that rests for no time at all does, after a failure."""
    steps = 0

    async def step() -> None:
        nonlocal steps
        steps += 1
        raise ValueError("again")

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.5):
            await forever("test", step, every=0)
    assert steps == 1


async def test_a_loop_that_loses_a_cancellation_ends_all_the_same() -> None:
    """The answer to what it waits for comes in the same moment: Python 3.11 forgets the rest."""
    answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    waiting = asyncio.Event()
    went_on = False

    async def loop() -> None:
        nonlocal went_on
        waiting.set()
        await asyncio.wait_for(answer, 60)
        went_on = True
        await asyncio.Event().wait()

    async def block() -> None:
        async with background("test", loop, every=0):
            await waiting.wait()
            await asyncio.sleep(0)
            answer.set_result(None)

    ended, _ = await asyncio.wait([asyncio.create_task(block())], timeout=10)
    assert ended
    assert went_on


def test_no_task_is_started_that_nobody_looks_after() -> None:
    """A loop is a background() of its service; whatever else is a task is named above."""
    found = {
        path.relative_to(ROOT).as_posix()
        for folder in ("libs", "services", "alonchat")
        for path in (ROOT / folder).rglob("*.py")
        if any(tasks_in(path))
    }
    assert found - AWAITED.keys() == set()


def tasks_in(path: Path) -> Iterator[ast.Call]:
    """Yield the calls in a module that start a task."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call):
            name = getattr(node.func, "attr", getattr(node.func, "id", ""))
            if name in {"create_task", "ensure_future", "TaskGroup"}:
                yield node
