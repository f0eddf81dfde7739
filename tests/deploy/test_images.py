"""Each image has what its service and the operators' command need, and installs nothing else.

No image can be built here; in its place whatever its requirements do not name can't be imported.
"""

import re
import subprocess
import sys
import tomllib
from fnmatch import fnmatch
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from libs.contracts.calls import SERVICES

ROOT = Path(__file__).parents[2]
_PIN = re.compile(r"^([\w.-]+)==", re.MULTILINE)
_SEPARATORS = re.compile(r"[-_.]+")
OURS = "alonchat"


def normal(name: str) -> str:
    """Return a distribution's name as the package index compares it."""
    return _SEPARATORS.sub("-", name).lower()


def missing_in(service: str) -> list[str]:
    """Return the packages of this environment that a service's image has not."""
    pinned = (ROOT / "requirements" / f"{service}.txt").read_text()
    installed = {OURS, *map(normal, _PIN.findall(pinned))}
    return sorted(
        package
        for package, owners in packages_distributions().items()
        if installed.isdisjoint(map(normal, owners))
    )


def test_the_licence_is_named_everywhere() -> None:
    """In the package, in the images, and as the text itself."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["license"] == "Apache-2.0"
    assert _label("licenses") == "Apache-2.0"
    assert "Apache License" in (ROOT / "LICENSE").read_text()


def test_an_image_says_its_version() -> None:
    """The one that `alonchat --version` prints in it."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert _label("version") == project["version"]


def _label(name: str) -> str:
    """Return a label that each image has."""
    dockerfile = (ROOT / "Dockerfile").read_text()
    (value,) = re.findall(rf'org\.opencontainers\.image\.{name}="([^"]*)"', dockerfile)
    return str(value)


def test_what_is_copied_is_not_ignored() -> None:
    """The context of a build has only what .dockerignore lets in."""
    let_in = {
        line[1:]
        for line in (ROOT / ".dockerignore").read_text().splitlines()
        if line.startswith("!")
    }
    for line in (ROOT / "Dockerfile").read_text().splitlines():
        if line.startswith("COPY "):
            *copied, _ = line.removeprefix("COPY ").replace("${SERVICE}", "api").split()
            for one in copied:
                assert any(fnmatch(one, good) or one.startswith(f"{good}/") for good in let_in), one


@pytest.mark.parametrize("service", SERVICES)
def test_an_image_has_what_it_runs(service: str) -> None:
    """`alonchat serve`, `alonchat doctor --service` and what they load."""
    program = (
        "import sys; sys.modules |= dict.fromkeys(sys.argv[1:]); "
        f"import alonchat.cli, services.__main__, services.{service}.app"
    )
    without = [one for one in missing_in(service) if one.isidentifier()]
    assert "pytest" in without
    subprocess.run([sys.executable, "-c", program, *without], cwd=ROOT, check=True)
