"""How the built-in image is started for a container: its arguments and its environment.

The process gets what its spec says, the addresses it must listen on, and nothing of the node's own environment but what a
Python needs to start.
"""

import os
import sys
from collections.abc import Callable
from pathlib import Path

from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import name_of, namespace_of, uid_of
from shipway.localcluster.node.environment import Facts, environment, expand
from shipway.localcluster.node.images import Echo
from shipway.localcluster.node.pid_files import SUFFIX, stem_of
from shipway.localcluster.node.process import Launch
from shipway.localcluster.node.volumes import layout_of

DEFAULT_PORT = 8080
_PASSED_ON = ("PATH", "LANG", "SYSTEMROOT", "PYTHONPATH")

ListensAt = Callable[[int], tuple[str, int]]
"""From a container port to the (host, port) that the process must bind."""


def ports_of(container: Obj) -> list[int]:
    """The TCP ports a container declares; 8080 when it declares none."""
    ports = [p["containerPort"] for p in container.get("ports") or () if (p.get("protocol") or "TCP") == "TCP"]
    return ports or [DEFAULT_PORT]


def echo_launch(pod: Obj, container: Obj, echo: Echo, facts: Facts, listens_at: ListensAt, home: Path) -> Launch:
    """Raises InvalidInput when the environment refers to something that is not there."""
    wanted = dict(echo.environment) | environment(pod, container, facts)
    listens = [listens_at(port) for port in ports_of(container)]
    variables = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    variables |= {
        "HOSTNAME": name_of(pod),
        "POD_NAME": name_of(pod),
        "POD_NAMESPACE": namespace_of(pod),
        "POD_IP": listens[0][0],
    }
    root = home / "run" / uid_of(pod)
    variables |= layout_of(pod, container, facts).variables(root)
    variables |= {"HOST": listens[0][0], "PORT": str(listens[0][1])}
    variables |= wanted
    addresses = [f"--listen={host}:{port}" for host, port in listens]
    arguments = [expand(str(argument), variables) for argument in container.get("args") or ()]
    program = [sys.executable, "-P", "-m", "shipway.localcluster.node.echo"]
    what = f"{namespace_of(pod)}/{name_of(pod)}/{container['name']}"
    return Launch(
        (*program, f"--version={echo.version}", *addresses, *arguments),
        variables,
        root,
        home / "pids" / f"{stem_of(uid_of(pod), container['name'])}{SUFFIX}",
        what,
        facts.pod_ip,
        dict(zip(ports_of(container), listens, strict=True)),
    )
