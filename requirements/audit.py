"""Looks every pinned package up in the advisories of the package index: part of `make check`.

A known vulnerability fails. Where the index gives no advisories (a mirror), that is said.
"""

import json
import subprocess
import sys
from pathlib import Path

LOCKED = Path(__file__).with_name("dev.txt")
"""Has every package of every image and of the laptop as well."""


def main() -> int:
    """Audit; 1 when something is known to be vulnerable."""
    command = [sys.executable, "-m", "pip_audit", "--disable-pip", "--require-hashes"]
    options = ["--requirement", str(LOCKED), "--format", "json", "--progress-spinner", "off"]
    done = subprocess.run([*command, *options], capture_output=True, text=True, check=False)  # noqa: S603
    try:
        packages = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError):
        last = (done.stderr.strip() or "no output").splitlines()[-1]
        print(f"Dependencies NOT audited: no advisories to be had ({last})")
        return 0
    audited = [package for package in packages if "skip_reason" not in package]
    vulnerable = [package for package in audited if package["vulns"]]
    for package in vulnerable:
        ids = ", ".join(one["id"] for one in package["vulns"])
        print(f"{package['name']} {package['version']} is vulnerable: {ids}")
    missing = len(packages) - len(audited)
    print(
        f"Dependencies audited: {len(audited)}; NOT audited, the index has no advisories: {missing}"
    )
    return 1 if vulnerable else 0


if __name__ == "__main__":
    sys.exit(main())
