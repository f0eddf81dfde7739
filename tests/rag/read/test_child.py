"""Processes that read for us: one task's fault is no other's."""

from collections.abc import AsyncIterator

import pytest

from services.rag.read.child import Child, ChildDied, ChildLimits
from tests.support.failing_child import Echo, Told

LIMITS = ChildLimits(seconds=20, memory=1024 * 1024 * 1024)


@pytest.fixture
async def child() -> AsyncIterator[Child[Echo]]:
    """A child that does what it is told."""
    child = Child("tests.support.failing_child", LIMITS, Echo, most=2)
    yield child
    await child.stop()


@pytest.mark.parametrize("fault", ["raise", "die"])
async def test_a_fault_fails_its_own_task(child: Child[Echo], fault: str) -> None:
    """The next one gets another process."""
    with pytest.raises(ChildDied):
        await child.ask(Told(fault))
    assert await child.ask(Told("echo"), b"four") == Echo(4)


async def test_a_worn_process_is_replaced(child: Child[Echo]) -> None:
    """After two tasks, as it was told."""
    pids = []
    for size in range(3):
        assert await child.ask(Told("echo"), bytes(size)) == Echo(size)
        pids.append(child.pid)
    assert pids[0] == pids[1] != pids[2]
