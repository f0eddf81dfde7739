"""What is deployed fits the code: compose.yaml, the Dockerfile, the pins, the settings table."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from libs.contracts.calls import SERVICES
from tests import servers
from tests.deploy import settings_table
from tests.deploy.settings_table import DOCUMENT, written

ROOT = Path(__file__).parents[2]


@pytest.fixture
def compose() -> dict[str, Any]:
    """compose.yaml, its merge keys resolved."""
    loaded: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())
    return loaded


def test_compose_runs_every_service_and_server(compose: dict[str, Any]) -> None:
    """Five services of ours, each built as itself, and the three real servers with volumes."""
    services = compose["services"]
    assert set(services) == {*SERVICES, "nats", "mongo", "qdrant"}
    for name in SERVICES:
        assert services[name]["build"]["args"]["SERVICE"] == name
        assert set(services[name]["depends_on"]) == {"nats", "mongo", "qdrant"}
        assert "container_name" not in services[name]  # it could not be scaled
    for name in ("nats", "mongo", "qdrant"):
        assert services[name]["healthcheck"]["test"]
        assert services[name]["volumes"][0].partition(":")[0] in compose["volumes"]


def test_compose_leaves_the_servers_no_way_out(compose: dict[str, Any]) -> None:
    """What the servers' makers would like to know stays here; the services reach both sides."""
    assert compose["networks"]["servers"] == {"internal": True}
    services = compose["services"]
    for name in ("nats", "mongo", "qdrant"):
        assert services[name]["networks"] == ["servers"]
    assert services["qdrant"]["environment"] == {"QDRANT__TELEMETRY_DISABLED": "true"}
    for name in SERVICES:
        assert services[name]["networks"] == ["default", "servers"]


def test_compose_fits_the_specification() -> None:
    """The schema of the Compose specification accepts the file."""
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec"]
    result = subprocess.run(
        [*command, str(ROOT / "compose.yaml")], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stdout


def test_tests_and_compose_use_the_same_images(compose: dict[str, Any]) -> None:
    """Where the images are present, the tests run on what is deployed."""
    used = {name: image.tag for name, image in servers.IMAGES.items()}
    assert used == {name: compose["services"][name]["image"] for name in used}


def test_compose_sets_only_known_settings(compose: dict[str, Any]) -> None:
    """A setting that was renamed must not linger in the deployment."""
    known = {
        name.upper()
        for settings in settings_table.SERVICES.values()
        for name in settings.model_fields
    }
    for name in SERVICES:
        assert set(compose["services"][name]["environment"]) <= known


def test_the_dockerfile_copies_what_exists() -> None:
    """Every path that is copied is there, for every service."""
    copied = re.findall(r"^COPY (.+) \S+$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    assert copied
    for service in SERVICES:
        for path in " ".join(copied).replace("${SERVICE}", service).split():
            assert (ROOT / path).exists(), path


@pytest.mark.parametrize("name", [*SERVICES, "laptop", "dev"])
def test_requirements_are_pinned_with_hashes(name: str) -> None:
    """Every requirement has one version and hashes, and no address of an index is named."""
    text = (ROOT / "requirements" / f"{name}.txt").read_text()
    pins = [line for line in text.splitlines() if line and not line.startswith((" ", "#"))]
    assert pins
    assert all("==" in pin for pin in pins)
    assert text.count("--hash=sha256:") >= len(pins)
    assert "://" not in text


def test_the_node_clients_are_pinned_with_hashes() -> None:
    """Every npm package that the tests run has a hash, and no address of a registry is named."""
    lock = ROOT / "tests" / "clients" / "node" / "package-lock.json"
    packages = json.loads(lock.read_text())["packages"]
    del packages[""]
    assert packages
    assert all(one["integrity"].startswith("sha512-") for one in packages.values())
    assert not any("resolved" in one for one in packages.values())


def test_an_image_installs_only_its_own() -> None:
    """The web framework is the edge's, the index rag's; llm has no database."""
    pinned = {name: (ROOT / "requirements" / f"{name}.txt").read_text() for name in SERVICES}
    assert [name for name, text in pinned.items() if "\nlitestar==" in text] == ["api"]
    assert [name for name, text in pinned.items() if "\nqdrant-client==" in text] == ["rag"]
    assert [name for name, text in pinned.items() if "motor==" not in text] == ["llm"]
    assert [name for name, text in pinned.items() if "pymongo==" not in text] == ["llm"]
    assert not [name for name, text in pinned.items() if "\nsecantusdb==" in text]


def test_the_settings_table_is_current() -> None:
    """docs/operating.md lists every setting as it is; `make docs` writes it."""
    document = DOCUMENT.read_text()
    assert document == written(document)
