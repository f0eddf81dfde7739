"""Runs a command that ends when its parent does: `python child.py PARENT_PID COMMAND…`.

On Linux the kernel kills it when the parent is gone, also after a kill -9 of that. Elsewhere this
only runs the command, and a next start finds the lock of what is left (see directory.py).
"""

import ctypes
import os
import signal
import sys
from collections.abc import Sequence

PR_SET_PDEATHSIG = 1


def tied(command: Sequence[str]) -> list[str]:
    """Return the command that runs `command` tied to this process."""
    # Isolated and without site-packages this interpreter is up in some 20 ms.
    return [sys.executable, "-I", "-S", __file__, str(os.getpid()), *command]


def main(parent: int, command: list[str]) -> None:
    """Become the command."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it died before we could ask
        sys.exit(1)
    os.execv(command[0], command)  # noqa: S606  # the command is the supervisor's own


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
