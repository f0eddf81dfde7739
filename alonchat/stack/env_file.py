"""Files of `NAME=value` lines for a shell to source; readable by their owner only."""

from collections.abc import Mapping
from pathlib import Path


def write(path: Path, values: Mapping[str, str]) -> None:
    """Replace the file at once: a reader sees all of the old or all of the new one."""
    new = path.with_name(f"{path.name}.new")
    new.unlink(missing_ok=True)
    new.touch(mode=0o600)
    new.write_text("".join(f"{name}={value}\n" for name, value in values.items()))
    new.replace(path)


def read(path: Path) -> dict[str, str]:
    """Return what `write` wrote, nothing without the file."""
    if not path.exists():
        return {}
    return dict(line.split("=", 1) for line in path.read_text().splitlines() if "=" in line)
