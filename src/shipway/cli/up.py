"""`shipway up` and `shipway down`: a whole Shipway on this machine."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from platformdirs import user_data_path

from shipway.assembly.homes import HomeLock, holder_of
from shipway.assembly.supervise import UpSettings
from shipway.assembly.supervise import up as started
from shipway.base.clock import SystemClock
from shipway.base.errors import Unavailable
from shipway.cli.process import configure_logs, until_stopped

HomeFlag = Annotated[Path | None, Parameter(name="--home")]
START_PATIENCE = 60.0
"""Seconds that `--detach` waits for the start, and `down` for the end."""
LOG = "up.log"


def default_home() -> Path:
    """Where a Shipway lives unless told otherwise: the user's data directory."""
    return user_data_path("shipway") / "default"


def up(*, home: HomeFlag = None, detach: bool = False, gateway_port: int = 0) -> int:
    """Start an embedded Kubernetes with Shipway in it, and stay until Ctrl-C.

    Parameters
    ----------
    home
        The directory that holds everything; one in your user data otherwise.
    detach
        Return when it is ready and leave it running; `shipway down` stops it.
    gateway_port
        The port where the traffic of routes enters; any free one otherwise.
    """
    place = (home or default_home()).absolute()
    if detach:
        asyncio.run(_until_ready(place, _in_background(place, gateway_port)))
        print(f"export KUBECONFIG={place / 'kubeconfig'}")
        return 0
    configure_logs()
    asyncio.run(until_stopped(_stay(UpSettings(place, gateway_port=gateway_port))))
    return 0


def down(*, home: HomeFlag = None) -> int:
    """Stop what `shipway up --detach` left running. The state stays; the next `up` goes on with it.

    Parameters
    ----------
    home
        The directory that was given to `up`.
    """
    place = (home or default_home()).absolute()
    holder = holder_of(place)
    if holder is None:
        print(f"nothing runs in {place}", file=sys.stderr)
        return 1
    os.kill(holder, signal.SIGTERM)
    asyncio.run(_until_free(place))
    print(f"stopped (pid {holder})", file=sys.stderr)
    return 0


async def _stay(settings: UpSettings) -> None:
    with HomeLock(settings.home):
        async with started(settings, SystemClock()) as running:
            _greet(settings.home, running.cluster.gateway_url, running.engines_url)
            await asyncio.get_running_loop().create_future()


def _in_background(home: Path, gateway_port: int) -> subprocess.Popen[bytes]:
    """`shipway up` in a session of its own."""
    home.mkdir(parents=True, exist_ok=True)
    with (home / LOG).open("ab") as output:
        return subprocess.Popen(
            [sys.executable, "-m", "shipway.cli.main", "up", f"--home={home}", f"--gateway-port={gateway_port}"],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )


async def _until_ready(home: Path, process: subprocess.Popen[bytes]) -> None:
    clock, url_file = SystemClock(), home / "engines.url"
    deadline = clock.now() + START_PATIENCE
    while not (holder_of(home) == process.pid and url_file.exists()):
        if process.poll() is not None:
            raise Unavailable(f"it ended at once with exit code {process.returncode}: see {home / LOG}")
        if clock.now() > deadline:
            raise Unavailable(f"it was not ready after {START_PATIENCE:.0f} s: see {home / LOG}")
        await clock.sleep(0.05)


async def _until_free(home: Path) -> None:
    clock = SystemClock()
    deadline = clock.now() + START_PATIENCE
    while holder_of(home) is not None:
        if clock.now() > deadline:
            raise Unavailable(f"it did not stop within {START_PATIENCE:.0f} s: see {home / LOG}")
        await clock.sleep(0.05)


def _greet(home: Path, gateway_url: str, engines_url: str) -> None:
    print(f"Kubernetes   export KUBECONFIG={home / 'kubeconfig'}", file=sys.stderr)
    print(f"Traffic      {gateway_url} (routes by Host, or <service>.<namespace>.localhost)", file=sys.stderr)
    print(f"Webhook      {engines_url}/api/webhook", file=sys.stderr)
    print("Stop         Ctrl-C", file=sys.stderr, flush=True)
