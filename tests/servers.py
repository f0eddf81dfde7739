"""Where the tests' servers come from: the environment, else a container, else the embedded ones.

A container is used where a Docker engine runs and the image is there already; nothing is pulled.
What came from where is printed in the header of the run.
"""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

import docker  # type: ignore[import-untyped]  # it has no stubs
from testcontainers.core.container import DockerContainer
from testcontainers.core.wait_strategies import LogMessageWaitStrategy

from alonchat.stack import embedded

DOCKER_SOCKET = "/var/run/docker.sock"
DOCKER_TIMEOUT = 5

Name = Literal["nats", "mongo", "qdrant"]
Kind = Literal["environment", "container", "embedded"]


@dataclass(frozen=True)
class Image:
    """A real server's image: how to run it, when it is ready, how to reach it."""

    tag: str
    port: int
    command: str
    ready: str
    url: str


# The images of compose.yaml, which a test compares with these.
IMAGES: dict[Name, Image] = {
    "nats": Image("nats:2.15-alpine", 4222, "-js", "Server is ready", "nats://{host}:{port}"),
    "mongo": Image("mongo:8.0", 27017, "", "Waiting for connections", "mongodb://{host}:{port}/"),
    "qdrant": Image("qdrant/qdrant:v1.20.0", 6333, "", "listening on 6333", "http://{host}:{port}"),
}


def variable(name: Name) -> str:
    """Name the environment variable that replaces a server."""
    return f"TEST_{name.upper()}_URL"


@cache
def kind(name: Name) -> Kind:
    """Tell where this server comes from on this machine."""
    if os.environ.get(variable(name)):
        return "environment"
    return "container" if _has_image(IMAGES[name].tag) else "embedded"


@contextmanager
def running(name: Literal["nats", "mongo"], directory: Path) -> Iterator[str]:
    """Run a server, or use the one of the environment; hand out its URL."""
    match kind(name):
        case "environment":
            yield os.environ[variable(name)]
        case "container":
            yield from _container(IMAGES[name])
        case "embedded":
            describe = {"nats": embedded.nats, "mongo": embedded.mongo}[name]
            server = describe(directory / name)
            process = embedded.start(server)
            try:
                yield server.url
            finally:
                embedded.stop(server, process)


@contextmanager
def running_qdrant() -> Iterator[str | None]:
    """Hand out the URL of a Qdrant server, None where there is only the client's own engine."""
    match kind("qdrant"):
        case "environment":
            yield os.environ[variable("qdrant")]
        case "container":
            yield from _container(IMAGES["qdrant"])
        case "embedded":
            yield None


def header() -> list[str]:
    """Return what pytest prints above the tests."""
    names: tuple[Name, ...] = ("nats", "mongo", "qdrant")
    return [f"servers: {', '.join(f'{name} from {_origin(name)}' for name in names)}"]


def _origin(name: Name) -> str:
    match kind(name):
        case "environment":
            return variable(name)
        case "container":
            return f"the image {IMAGES[name].tag}"
        case "embedded":
            return "its package (qdrant-client's own engine)" if name == "qdrant" else "its package"


def _container(image: Image) -> Iterator[str]:
    container = DockerContainer(image.tag).with_exposed_ports(image.port)
    container = container.with_command(image.command) if image.command else container
    with container.waiting_for(LogMessageWaitStrategy(image.ready)):
        host, port = container.get_container_host_ip(), container.get_exposed_port(image.port)
        yield image.url.format(host=host, port=port)


@cache
def _has_image(tag: str) -> bool:
    """Whether a Docker engine runs here and has the image."""
    if not os.environ.get("DOCKER_HOST") and not _listens(DOCKER_SOCKET):
        return False
    client = docker.from_env(timeout=DOCKER_TIMEOUT)
    try:
        return bool(client.images.list(name=tag))
    finally:
        client.close()


def _listens(path: str) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(path) == 0
