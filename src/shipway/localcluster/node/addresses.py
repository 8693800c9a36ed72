"""Where a pod really listens: the API shows 10.244.n.x, the process listens on this machine's loopback.

An API server refuses loopback addresses in an EndpointSlice, so a pod advertises 10.244.n.x and its process binds
127.244.n.x: a fixed bijection that needs no state, as every address in 127/8 can be bound on Linux. Services follow the same
rule (10.96.a.b, 127.96.a.b). Where only 127.0.0.1 exists (macOS) or a port may not be bound (below 1024 without being
root), the book keeps a mapping instead. The node writes it, the proxy and the probes read it.

A node claims its range by listening on 127.244.n.1:10250 for as long as it lives, so two clusters on one machine never
share an address.
"""

import errno
import socket
import sys
from pathlib import Path
from typing import Literal

from msgspec import Struct

from shipway.base.errors import Unavailable

Mode = Literal["loopback", "ports"]
HostPort = tuple[str, int]

CLAIM_PORT = 10250
UNPRIVILEGED_OFFSET = 8000
_ADVERTISED = ("10.244.", "10.96.")


def default_mode() -> Mode:
    """`loopback` where the whole of 127/8 can be bound (Linux), else `ports`."""
    return "loopback" if sys.platform == "linux" else "ports"


def loopback_of(ip: str) -> str:
    """127.x.y.z of an advertised 10.x.y.z; every other address as it is."""
    return f"127{ip[2:]}" if ip.startswith(_ADVERTISED) else ip


class Range(Struct):
    """One node's pod addresses, 10.244.<number>.2 to .254; `claim` is what keeps others out."""

    number: int
    claim: socket.socket | None = None

    def addresses(self) -> list[str]:
        return [f"10.244.{self.number}.{host}" for host in range(2, 255)]

    def release(self) -> None:
        if self.claim is not None:
            self.claim.close()
            self.claim = None


class AddressBook:
    """(advertised ip, port) -> (host, port) of this machine. Shared by the node and the proxy of one cluster."""

    def __init__(self, mode: Mode | None = None) -> None:
        self.mode: Mode = mode or default_mode()
        self._mapped: dict[tuple[str, int], HostPort] = {}
        self._ranges: set[int] = set()

    def claim_range(self, preferred: int | None = None, *, is_ours: bool = False) -> Range:
        """A range that nobody else on this machine uses: no other node, and no process that a crashed one has left behind,
        unless `is_ours` says that those of the preferred range are the node's own. Raises Unavailable when all 256 are taken.
        """
        numbers = [preferred] if preferred is not None else []
        busy = ranges_in_use() if self.mode == "loopback" else frozenset[int]()
        for number in [*numbers, *range(256)]:
            if number in self._ranges or (number in busy and not (is_ours and number == preferred)):
                continue
            if self.mode == "ports":
                self._ranges.add(number)
                return Range(number)
            claim = _listen(f"127.244.{number}.1", CLAIM_PORT)
            if claim is not None:
                self._ranges.add(number)
                return Range(number, claim)
        raise Unavailable("All 256 pod address ranges of this machine (127.244.n.0/24) are in use: stop another local cluster.")

    def release_range(self, claimed: Range) -> None:
        claimed.release()
        self._ranges.discard(claimed.number)

    def bind(self, ip: str, port: int) -> HostPort:
        """Where a process must listen to be reachable as (ip, port); remembered until `forget(ip)`."""
        if (ip, port) in self._mapped:
            return self._mapped[ip, port]
        if self.mode == "ports":
            here = ("127.0.0.1", _free_port())
        elif _may_bind(loopback_of(ip), port):
            return loopback_of(ip), port
        else:
            here = (loopback_of(ip), port + UNPRIVILEGED_OFFSET)
        self._mapped[ip, port] = here
        return here

    def restore(self, ip: str, port: int, here: HostPort) -> None:
        """What an earlier book said of a process that still runs."""
        if here != (loopback_of(ip), port):
            self._mapped[ip, port] = here

    def resolve(self, ip: str, port: int) -> HostPort | None:
        """Where (ip, port) is reached; None when nothing of ours can be listening there (port mode, no process)."""
        here = self._mapped.get((ip, port))
        if here is not None:
            return here
        host = loopback_of(ip)
        return None if self.mode == "ports" and host != ip else (host, port)

    def forget(self, ip: str) -> None:
        """Drop the mappings of a pod that has ended."""
        for key in [key for key in self._mapped if key[0] == ip]:
            del self._mapped[key]


def ranges_in_use(table: Path = Path("/proc/net/tcp")) -> frozenset[int]:
    """The ranges in which somebody listens, as the kernel tells; none where it tells nothing (no Linux)."""
    try:
        rows = [line.split() for line in table.read_text().splitlines()[1:]]
    except OSError:
        return frozenset()
    listening = [row[1].partition(":")[0] for row in rows if row[3] == "0A"]  # 127.244.n.x is "xxnnF47F": bytes from the right
    return frozenset(int(address[2:4], 16) for address in listening if address.endswith("F47F"))


def _listen(host: str, port: int) -> socket.socket | None:
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        sock.bind((host, port))
        sock.listen(1)
    except OSError:
        sock.close()
        return None
    return sock


def _may_bind(host: str, port: int) -> bool:
    """False only where this user may never bind the port; one in use right now is not asked about here."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind((host, port))
        except OSError as error:
            return error.errno not in (errno.EACCES, errno.EPERM)
    return True


def _free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]
