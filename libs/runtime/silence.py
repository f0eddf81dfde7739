"""Keeps libraries from calling home. Importing this is enough, before the library is imported.

Each of these is on by default in a package that we install, or would be if it were used that way;
what a child process is started with has them as well. Whether it is enough is what tests/alone
finds out, with a machine of its own around everything.
"""

import os

SILENCE = {
    # Microsoft's telemetry in the Linux wheel of onnxruntime; its own call to switch it off, after
    # the import, is too late.
    "ORT_DISABLE_TELEMETRY": "1",
    # tokenizers brings the hub's client along, which nothing here uses.
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_OFFLINE": "1",
    "DO_NOT_TRACK": "1",
}

os.environ.update(SILENCE)
