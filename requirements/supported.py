"""Says in one sentence why this Python can't run the project; silent when it can.

Run by any Python there may be, so nothing here is newer than Python 3.0.
"""

import platform
import sys


def problem():
    """Return the sentence, None without a problem."""
    version = sys.version_info[:2]
    found = "this is Python " + platform.python_version() + " at " + sys.executable
    if version < (3, 11) or version > (3, 14):
        return (
            "Python 3.11 to 3.14 is needed, " + found + ": run `make PYTHON=/path/to/python3.11`."
        )
    if sys.platform == "darwin" and platform.machine() == "x86_64":
        return "Intel Macs have no build of onnxruntime: use an Apple silicon Mac, or Linux."
    if sys.platform not in ("linux", "darwin"):
        return "Linux or macOS is needed, this is " + sys.platform + "."
    try:
        import ensurepip  # noqa: F401, PLC0415  # asked whether it is there
        import venv  # noqa: F401, PLC0415  # asked whether it is there
    except ImportError:
        return (
            "Python's venv module is missing, " + found + ": install it "
            "(on Debian and Ubuntu the package python3-venv)."
        )
    return None


if __name__ == "__main__":
    sys.exit(problem())
