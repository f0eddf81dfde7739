"""A machine of its own for one command: what it sends and what it writes is written down.

`unshare --net --mount --pid --fork --kill-child python -m tests.alone.machine REPORT COMMAND…`, as
root. All that the command sends to another machine goes into a tunnel whose end is here, where it
is read and goes nowhere. All that it writes goes into a layer above the file system, and with it
away. Needs Linux, `ip` and the standard library.
"""

import contextlib
import fcntl
import json
import os
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

TUNNEL = "out0"
TUNSETIFF = 0x400454CA
IFF_TUN, IFF_NO_PI = 0x0001, 0x1000
ADDRESSES = ("10.99.0.2/24", "fd00:99::2/64")
RESOLVER = "10.99.0.1"
"""Behind the tunnel, so a look-up is a packet that is seen."""
ELSEWHERE = "192.0.2.1"
"""An address of nobody's (RFC 5737), to see that the tunnel sees."""
HOME = Path("/home/alone")
DATA = Path("/srv/alone")
FOLDERS = (HOME, DATA)
PROTOCOLS = {6: "tcp", 17: "udp"}
ICMPV6 = 58
HOP_BY_HOP = 0


class Tunnel:
    """The only way out of the machine, and the notes of what took it."""

    def __init__(self) -> None:
        self.seen: set[str] = set()
        self._fd = os.open("/dev/net/tun", os.O_RDWR)
        wanted = struct.pack("16sH", TUNNEL.encode(), IFF_TUN | IFF_NO_PI)
        fcntl.ioctl(self._fd, TUNSETIFF, wanted)
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        while True:
            if packet := described(os.read(self._fd, 65_536)):
                self.seen.add(packet)


def described(packet: bytes) -> str:
    """Return where a packet was going and what name it asks for; nothing for the kernel's own."""
    if packet[0] >> 4 == 4:
        protocol, payload = packet[9], packet[(packet[0] & 15) * 4 :]
        to = socket.inet_ntop(socket.AF_INET, packet[16:20])
    else:
        protocol, payload = packet[6], packet[40:]
        to = socket.inet_ntop(socket.AF_INET6, packet[24:40])
        if protocol in {ICMPV6, HOP_BY_HOP}:  # looks for neighbours and routers
            return ""
    name = PROTOCOLS.get(protocol, f"protocol {protocol}")
    port = struct.unpack("!H", payload[2:4])[0] if protocol in PROTOCOLS else 0
    asked = f" {_name(payload[8:])}" if port == 53 else ""
    return f"{name} {to} {port}{asked}"


def _name(query: bytes) -> str:
    labels, at = [], 12
    while at < len(query) and query[at]:
        labels.append(query[at + 1 : at + 1 + query[at]].decode(errors="replace"))
        at += 1 + query[at]
    return ".".join(labels)


def joined() -> Tunnel:
    """Make the network: loopback, and a way out that ends here."""
    tunnel = Tunnel()
    ip("link", "set", "lo", "up")
    for address in ADDRESSES:
        with contextlib.suppress(subprocess.CalledProcessError):  # IPv6 may be off
            ip("address", "add", address, "dev", TUNNEL)
    ip("link", "set", TUNNEL, "up")
    ip("route", "add", "default", "dev", TUNNEL)
    with contextlib.suppress(subprocess.CalledProcessError):
        ip("-6", "route", "add", "default", "dev", TUNNEL)
    return tunnel


def ip(*arguments: str) -> None:
    """Change the network."""
    subprocess.run(["ip", *arguments], check=True, capture_output=True)


def layered(beside: Path) -> tuple[Path, Path]:
    """Return the root of the machine, and the layer in which all that is written ends up."""
    mount("-t", "tmpfs", "none", beside)
    upper, work, root = (beside / name for name in ("upper", "work", "root"))
    for folder in (upper, work, root):
        folder.mkdir()
    options = f"lowerdir=/,upperdir={upper},workdir={work}"
    mount("-t", "overlay", "overlay", "-o", options, root)
    for prefix in {Path.cwd(), Path(sys.prefix), Path(sys.base_prefix)}:
        if not (root / prefix.relative_to("/") / "lib").exists() and not any(
            (root / prefix.relative_to("/")).glob("*")
        ):
            mount("--rbind", prefix, root / prefix.relative_to("/"))  # on a disk of its own
    mount("-t", "proc", "proc", root / "proc")
    mount("--rbind", "/dev", root / "dev")
    mount("-t", "tmpfs", "none", root / "dev/shm")
    for folder in FOLDERS:
        (root / folder.relative_to("/")).mkdir(parents=True, exist_ok=True)
    # Names are asked for at the resolver behind the tunnel and nowhere else.
    for name, content in {
        "resolv.conf": f"nameserver {RESOLVER}\noptions timeout:1 attempts:1\n",
        "nsswitch.conf": "hosts: files dns\n",
        "hosts": "127.0.0.1 localhost\n",
    }.items():
        path = root / "etc" / name
        path.unlink(missing_ok=True)
        path.write_text(content)
    return root, upper


def mount(*arguments: str | Path) -> None:
    """Mount something, in this machine only."""
    subprocess.run(["mount", *map(str, arguments)], check=True)


def written(upper: Path, root: Path) -> Iterator[str]:
    """Yield the path of every file in the layer that is not the data directory's."""
    for layer in (upper, root / "dev/shm"):
        for folder, _, names in os.walk(layer):
            place = "/" / Path(folder).relative_to(layer if layer == upper else root)
            if place != DATA and DATA not in place.parents:
                yield from (str(place / name) for name in names)


def catches(tunnel: Tunnel) -> bool:
    """Say whether something that is sent is seen; waits for what was sent before as well."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(b"trap", (ELSEWHERE, 9))
    trap = f"udp {ELSEWHERE} 9"
    for _ in range(100):
        if trap in tunnel.seen:
            tunnel.seen.remove(trap)
            return True
        threading.Event().wait(0.05)
    return False


def main(report: Path, beside: Path, command: list[str]) -> None:
    """Run the command; write what it sent and wrote, and its status."""
    tunnel = joined()
    root, upper = layered(beside)
    before = set(written(upper, root))
    env = {
        "PATH": os.environ["PATH"],
        "HOME": str(HOME),
        "DATA_DIR": str(DATA / "data"),
        # Python's own cache beside the source code is nobody's data.
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONPATH": str(Path.cwd()),
    }
    run = subprocess.run(["chroot", str(root), *command], env=env, check=False, cwd="/")
    caught = catches(tunnel)
    found = {
        "status": run.returncode,
        "catches": caught,
        "sent": sorted(tunnel.seen),
        "written": sorted(set(written(upper, root)) - before),
    }
    report.write_text(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:])
