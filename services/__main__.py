"""`python -m services [name…]`: run services; none named means all of them."""

import sys

from libs.runtime.serve import SERVICES, serve
from libs.runtime.settings import SettingsError


def main(names: list[str]) -> None:
    """Run the named services until told to stop; exit with one sentence when that can't work."""
    unknown = [name for name in names if name not in SERVICES]
    if unknown:
        sys.exit(f"unknown service {unknown[0]}: there are {', '.join(SERVICES)}")
    try:
        serve(names)
    except SettingsError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main(sys.argv[1:])
