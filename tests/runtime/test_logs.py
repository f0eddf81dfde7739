"""What the log must not say."""

import subprocess
import sys

import pytest

FAILING = """
import structlog
from libs.runtime import logs

logs.configure("info", "{form}", "test")


def fail(key):
    raise ValueError("it broke")


try:
    fail("sk_" + "-".join(["very", "secret"]))
except ValueError:
    structlog.get_logger().exception("something.failed")
"""


@pytest.mark.parametrize("form", ["text", "json"])
def test_an_exception_is_logged_without_the_values_it_met(form: str) -> None:
    """The stack is there, the values of local variables are not."""
    command = [sys.executable, "-c", FAILING.format(form=form)]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "it broke" in result.stderr
    assert "very-secret" not in result.stderr
