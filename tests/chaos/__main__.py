"""`python -m tests.chaos`: break a running system at random, then audit it."""

import argparse
import asyncio
import random
import sys

from tests.chaos.run import Options, run


def main() -> int:
    """Run once; 1 when a promise was broken."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=600, help="how long to break things")
    parser.add_argument("--seed", type=int, default=random.randrange(10_000))
    parser.add_argument("--rate", type=float, default=4, help="messages a second")
    parser.add_argument("--interval", type=float, default=6, help="seconds between two faults")
    parser.add_argument("--replicas", type=int, default=2, help="processes of each service")
    options = Options(**vars(parser.parse_args()))
    print(f"seed {options.seed}; logs in {options.directory}", flush=True)
    result = asyncio.run(run(options))
    print(result.report())
    return 1 if result.audit.violations else 0


if __name__ == "__main__":
    sys.exit(main())
