"""`python -m tests.support.failing_child LIMITS`: does what its task says, for test_child.py."""

import os
import sys

import msgspec

from services.rag.read.child import ChildLimits, serve


class Told(msgspec.Struct, frozen=True):
    """What to do: echo the content, raise, or die."""

    what: str


class Echo(msgspec.Struct, frozen=True):
    """How many bytes came."""

    size: int


def obey(task: Told, content: bytes) -> Echo:
    """Do it."""
    match task.what:
        case "raise":
            raise ValueError("odd")
        case "die":
            os.abort()
    return Echo(len(content))


if __name__ == "__main__":
    serve(Told, obey, msgspec.json.decode(sys.argv[1], type=ChildLimits))
