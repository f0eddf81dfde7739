"""The program that attacks a stack does so, and another tenant gets every answer meanwhile."""

from tests.hostile.__main__ import attacked, beside
from tests.hostile.attacks import ATTACKS
from tests.hostile.memory import MOST_MB
from tests.hostile.report import Row

SHORT = ("wrong-keys", "minting")


async def test_another_tenant_is_answered_beside_attacks() -> None:
    """Two short ones. How fast is for a quiet machine to say."""
    async with attacked() as (system, stack):
        rows = [await beside(name, system, stack, 1.0, 1.0) for name in SHORT]
    for row in rows:
        assert row.failed == 0, row
        assert row.beside > 0
        assert set(row.memory) == set(MOST_MB)
        assert min(row.memory.values()) > 1


def test_what_is_too_much_is_named() -> None:
    """Time, failures, memory, and a stack that does not recover."""
    fine = Row("a", 0.1, 0.4, 0, settled=True, memory={"api": 100.0})
    assert fine.problems(5.0) == []
    bad = Row("a", 0.1, 0.6, 2, settled=False, memory={"api": 9_000.0})
    assert len(bad.problems(5.0)) == 4
    assert len(ATTACKS) >= 16
