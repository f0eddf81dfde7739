"""Test modules are run, not imported: what they share is in tests/support or in a helper module."""

import re
from pathlib import Path

TESTS = Path(__file__).parents[1]
_IMPORTS_TESTS = re.compile(r"(?:from|import) +tests(?:\.\w+)*\.test_\w+")


def test_no_test_module_is_imported() -> None:
    """Else a test runs twice, or a fixture is not the one that is read here."""
    found = {
        str(path.relative_to(TESTS)): _IMPORTS_TESTS.findall(path.read_text())
        for path in TESTS.rglob("*.py")
    }
    assert {path: imports for path, imports in found.items() if imports} == {}
