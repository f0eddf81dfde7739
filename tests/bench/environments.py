"""Environments of the peers, made where the bench runs and kept for its next run."""

import subprocess
import sys
from pathlib import Path

PEERS = {
    "afternoon": ("fastapi[standard]", "openai", "qdrant-client"),
    "litellm": ("litellm[proxy]",),
}
INSTALL_TIMEOUT = 600


def made(name: str, directory: Path) -> Path | None:
    """Return the environment's `bin`, made if need be; None when it can't be installed."""
    environment = directory / name
    stamp = environment / "installed"
    if not stamp.exists():
        print(f"Making an environment for {name} in {environment}.", flush=True)
        subprocess.run([sys.executable, "-m", "venv", environment], check=True)
        pip = [str(environment / "bin" / "python"), "-m", "pip", "install", "--quiet"]
        done = subprocess.run([*pip, *PEERS[name]], timeout=INSTALL_TIMEOUT, check=False)
        if done.returncode:
            return None
        stamp.touch()
    return environment / "bin"


def versions(name: str, directory: Path) -> dict[str, str]:
    """Return what is installed in an environment, by package."""
    python = directory / name / "bin" / "python"
    frozen = subprocess.run(
        [python, "-m", "pip", "freeze"], capture_output=True, text=True, check=True
    )
    return dict(line.split("==", 1) for line in frozen.stdout.splitlines() if "==" in line)
