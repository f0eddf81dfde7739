"""nginx and Caddy, set up as docs/proxies.md says and in other usual ways, before one API."""

import asyncio
import re
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import trustme

from alonchat.stack.embedded import free_port
from tests.clients.conftest import output
from tests.waiting import eventually

PAGE = Path(__file__).parents[2] / "docs" / "proxies.md"
HOST = "chat.example.com"
IMPATIENCE = 2
"""Seconds between two bytes that the impatient nginx waits."""

MAIN = """
daemon off;
pid {directory}/nginx.pid;
error_log {directory}/error.log;
{user}
events {{}}
http {{
    access_log off;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    include {directory}/documented.conf;
    server {{
        listen 127.0.0.1:{default};
        location / {{ proxy_pass http://127.0.0.1:{api}; }}
    }}
    server {{
        listen 127.0.0.1:{gzip};
        gzip on;
        gzip_types text/event-stream application/json;
        gzip_min_length 1;
        location / {{ proxy_pass http://127.0.0.1:{api}; }}
    }}
    server {{
        listen 127.0.0.1:{impatient};
        proxy_read_timeout {impatience}s;
        location / {{ proxy_pass http://127.0.0.1:{api}; }}
    }}
}}
"""


@dataclass(frozen=True)
class Proxy:
    """Where a proxy listens, and what curl needs for it."""

    url: str
    options: list[str] = field(default_factory=list)


def snippet(name: str, replaced: dict[str, str]) -> str:
    """A code block of the page, with what differs here; each such thing has to be in it."""
    [code] = re.findall(rf"^```{name}\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    for documented, here in replaced.items():
        assert documented in code, documented
        code = code.replace(documented, here)
    return str(code)


@asynccontextmanager
async def nginx(directory: Path, api: int) -> AsyncIterator[dict[str, Proxy]]:
    """Run one nginx with all set-ups."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(directory / "ca.pem")
    certificate = authority.issue_cert(HOST)
    certificate.cert_chain_pems[0].write_to_path(directory / "cert.pem")
    certificate.private_key_pem.write_to_path(directory / "key.pem")
    ports = {name: free_port() for name in ("default", "gzip", "impatient", "documented")}
    (directory / "documented.conf").write_text(
        snippet(
            "nginx",
            {
                "listen 443 ": f"listen 127.0.0.1:{ports['documented']} ",
                "127.0.0.1:8000": f"127.0.0.1:{api}",
                f"/etc/ssl/certs/{HOST}.pem": str(directory / "cert.pem"),
                f"/etc/ssl/private/{HOST}.key": str(directory / "key.pem"),
            },
        )
    )
    configuration = directory / "nginx.conf"
    # The workers have to reach the test's directory.
    user = "user root;" if Path.home() == Path("/root") else ""
    configuration.write_text(
        MAIN.format(directory=directory, user=user, api=api, impatience=IMPATIENCE, **ports)
    )
    command = ["nginx", "-e", str(directory / "error.log"), "-c", str(configuration)]
    await output(*command, "-t")
    async with _running(command, list(ports.values())):
        resolve = f"{HOST}:{ports['documented']}:127.0.0.1"
        yield {
            "default": Proxy(f"http://127.0.0.1:{ports['default']}"),
            "gzip": Proxy(f"http://127.0.0.1:{ports['gzip']}", ["--compressed"]),
            "impatient": Proxy(f"http://127.0.0.1:{ports['impatient']}"),
            "documented": Proxy(
                f"https://{HOST}:{ports['documented']}",
                ["--http2", "--cacert", str(directory / "ca.pem"), "--resolve", resolve],
            ),
        }


@asynccontextmanager
async def caddy(directory: Path, api: int) -> AsyncIterator[dict[str, Proxy]]:
    """Run Caddy as documented, but for TLS: it would ask an authority for a certificate."""
    if shutil.which("caddy") is None:
        yield {}
        return
    port = free_port()
    configuration = directory / "Caddyfile"
    configuration.write_text(
        f"{{\n\tadmin off\n\tauto_https off\n\tstorage file_system {directory}\n}}\n"
        + snippet(
            "caddyfile",
            {HOST: f"http://127.0.0.1:{port}", "127.0.0.1:8000": f"127.0.0.1:{api}"},
        )
    )
    command = ["caddy", "run", "--adapter", "caddyfile", "--config", str(configuration)]
    async with _running(command, [port]):
        yield {"caddy": Proxy(f"http://127.0.0.1:{port}")}


@asynccontextmanager
async def _running(command: list[str], ports: list[int]) -> AsyncIterator[None]:
    process = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.DEVNULL)

    async def listens() -> bool:
        assert process.returncode is None, f"{command[0]} ended"
        try:
            for port in ports:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.close()
        except OSError:
            return False
        return True

    try:
        await eventually(listens)
        yield
    finally:
        process.terminate()
        await process.wait()
