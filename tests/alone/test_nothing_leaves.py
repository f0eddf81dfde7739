"""Nothing leaves the machine, and nothing is written outside of the data directory."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from libs.runtime.silence import SILENCE

ALONE = ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child"]
ROOT = Path(__file__).parents[2]
TELLING = {"CI", "GITHUB_ACTIONS", *SILENCE}
"""What tells a library to be silent, or that nobody is there: not set here."""


def alone(directory: Path, *arguments: str) -> dict[str, Any]:
    """Run Python on a machine of its own; return what it sent and wrote."""
    layer = directory / "layer"
    layer.mkdir()
    report = directory / "report.json"
    machine = [*ALONE, "--propagation", "private", sys.executable, "-m", "tests.alone.machine"]
    command = [*machine, str(report), str(layer), sys.executable, *arguments]
    env = {name: value for name, value in os.environ.items() if name not in TELLING}
    run = subprocess.run(
        command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=400, check=False
    )
    assert report.exists(), run.stdout + run.stderr
    found: dict[str, Any] = json.loads(report.read_text())
    assert found.pop("catches"), "the tunnel sees nothing"
    assert found.pop("status") == 0, run.stdout + run.stderr
    return found


@pytest.fixture(scope="module")
def own_machine() -> None:
    """Say where a machine of its own can't be made."""
    possible = subprocess.run(
        [*ALONE, "sh", "-c", "ip link set lo up && test -c /dev/net/tun"],
        capture_output=True,
        text=True,
        check=False,
    )
    if possible.returncode:
        reason = f"no machine of its own can be made here (root and iproute2?): {possible.stderr}"
        pytest.skip(reason.strip())


@pytest.mark.usefixtures("own_machine")
def test_a_day_of_everything_stays_at_home(tmp_path: Path) -> None:
    """Sources of every kind, answers, webhooks and commands: no packet, no look-up, no file."""
    assert alone(tmp_path, "-m", "tests.alone.day") == {"sent": [], "written": []}


@pytest.mark.usefixtures("own_machine")
def test_what_leaves_is_seen(tmp_path: Path) -> None:
    """A look-up, a connection and a file in the home directory are noticed."""
    code = (
        "import pathlib, socket\n"
        "pathlib.Path.home().joinpath('note').write_text('x')\n"
        "pathlib.Path('/dev/shm/note').write_text('x')\n"
        "one = socket.socket(); one.setblocking(False)\n"
        "one.connect_ex(('192.0.2.7', 443))\n"
        "try: socket.getaddrinfo('telemetry.example', 443)\n"
        "except OSError: pass\n"
    )
    assert alone(tmp_path, "-c", code) == {
        "sent": ["tcp 192.0.2.7 443", "udp 10.99.0.1 53 telemetry.example"],
        "written": ["/dev/shm/note", "/home/alone/note"],  # noqa: S108 -- it is seen, not used
    }


def test_the_bundled_model_leaves_no_trace(tmp_path: Path) -> None:
    """Where no machine of its own can be made, this still sees the telemetry's files."""
    code = (
        "import asyncio\n"
        "from services.rag.embed.bundled import open_bundled_model\n"
        "async def main():\n"
        "    async with open_bundled_model(1, 1) as model:\n"
        "        await model.ping()\n"
        "asyncio.run(main())\n"
    )
    env = {name: value for name, value in os.environ.items() if name not in TELLING}
    subprocess.run([sys.executable, "-c", code], env=env | {"HOME": str(tmp_path)}, check=True)
    assert not list(tmp_path.iterdir())


def test_onnxruntime_is_imported_where_it_is_silent() -> None:
    """Outside of rag, whose package silences it, nobody imports it; the images silence it too."""
    for path in (
        *ROOT.glob("libs/**/*.py"),
        *ROOT.glob("services/**/*.py"),
        *ROOT.glob("alonchat/**/*.py"),
    ):
        if "import onnxruntime" in path.read_text():
            assert ROOT / "services/rag" in path.parents
    dockerfile = (ROOT / "Dockerfile").read_text()
    assert all(f"{name}={value}" in dockerfile for name, value in SILENCE.items())
