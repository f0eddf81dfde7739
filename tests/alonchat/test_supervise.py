"""Children: kept alive, stopped in time, gone with their parent."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import pytest

from alonchat.stack.child import tied
from alonchat.stack.supervise import Program, Supervisor
from tests.alonchat.installed import runs
from tests.waiting import eventually

SLEEPER = "import time; time.sleep(60)"
STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
    "print('deaf', flush=True); time.sleep(60)"
)
PARENT = """
import subprocess, sys
from alonchat.stack.child import tied
child = subprocess.Popen(tied([sys.executable, "-c", "import time; time.sleep(60)"]))
print(child.pid, flush=True)
child.wait()
"""


class Children:
    """A supervisor and the process ids that it announced."""

    def __init__(self, held_fd: int) -> None:
        self.pids: Mapping[str, int] = {}
        self.supervisor = Supervisor(held_fd, self._changed)

    def _changed(self, pids: Mapping[str, int]) -> None:
        self.pids = pids


@pytest.fixture
async def children(tmp_path: Path) -> AsyncIterator[Children]:
    """A supervisor without children yet."""
    fd = os.open(tmp_path / "lock", os.O_RDWR | os.O_CREAT)
    children = Children(fd)
    yield children
    await children.supervisor.stop("child", timeout=5)
    os.close(fd)


def program(code: str, log: Path | None = None) -> Program:
    """Return a Python program named `child`."""
    return Program("child", (sys.executable, "-c", code), {"COLOR": "blue"}, log)


async def test_a_child_that_dies_is_started_again(children: Children) -> None:
    """Kill -9 of a child counts as a death and is followed by a new process."""
    await children.supervisor.start(program(SLEEPER))
    first = children.pids["child"]
    os.kill(first, 9)

    async def another() -> bool:
        return children.pids["child"] != first

    await eventually(another)
    assert children.supervisor.deaths["child"] == 1


async def test_a_stopped_child_stays_stopped(children: Children) -> None:
    """After stop the process is gone and nothing starts it again."""
    await children.supervisor.start(program(SLEEPER))
    pid = children.pids["child"]
    await children.supervisor.stop("child", timeout=5)
    assert not runs(pid)
    assert children.supervisor.deaths["child"] == 0


async def test_a_child_that_ignores_the_signal_is_killed(
    children: Children, tmp_path: Path
) -> None:
    """What does not stop within its time is ended without asking."""
    log = tmp_path / "child.log"
    await children.supervisor.start(program(STUBBORN, log))

    async def deaf() -> bool:
        return "deaf" in log.read_text()

    await eventually(deaf)
    pid = children.pids["child"]
    async with asyncio.timeout(10):
        await children.supervisor.stop("child", timeout=0.2)
    assert not runs(pid)


async def test_output_and_environment_reach_the_child(children: Children, tmp_path: Path) -> None:
    """A child has our environment and its own, and writes to its log."""
    log = tmp_path / "child.log"
    code = f"import os; print(os.environ['COLOR'], len(os.environ) > 1, flush=True); {SLEEPER}"
    await children.supervisor.start(program(code, log))

    async def written() -> bool:
        return log.read_text() == "blue True\n"

    await eventually(written)


async def test_a_child_that_keeps_dying_is_tried_ever_slower(children: Children) -> None:
    """A program that ends at once is started again and again, with growing delays."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    await children.supervisor.start(program("raise SystemExit(3)"))

    async def died_often() -> bool:
        return children.supervisor.deaths["child"] >= 3

    await eventually(died_often)
    assert loop.time() - began >= 0.1 + 0.5


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child of its parent's end")
async def test_children_die_with_a_killed_parent() -> None:
    """Kill -9 of the parent ends the child."""
    command = (sys.executable, "-c", PARENT)
    parent = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    assert parent.stdout is not None
    child = int(await parent.stdout.readline())
    assert runs(child)
    parent.kill()
    await parent.wait()

    async def gone() -> bool:
        return not runs(child)

    await eventually(gone)


def test_a_child_whose_parent_is_gone_already_does_not_start() -> None:
    """The parent may die between its fork and the child's first line."""
    command = tied([sys.executable, "-c", "print('started')"])
    command[command.index(str(os.getpid()))] = "1"
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert result.stdout == ""
