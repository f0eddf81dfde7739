"""A short run of `make chaos`."""

from pathlib import Path

from tests.chaos.run import Options, run

SEED = 4


async def test_nothing_is_lost_and_billed_once(tmp_path: Path) -> None:
    """Half a minute of load and kills, then the audit finds nothing."""
    options = Options(seed=SEED, seconds=30, rate=4, interval=4, replicas=2, directory=tmp_path)
    result = await run(options)
    print(result.report())
    assert result.faults.kills > 0
    assert not result.audit.violations
