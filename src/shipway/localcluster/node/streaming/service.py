"""What the node offers an API server for a pod's streams: exec, attach and port-forward, each as an `Upgrade`.

Everything that can be refused is refused before the connection is upgraded, with a message for the user. There is no door of
its own here: whoever gets to call this has passed the API server's (or the kubelet endpoint's) authentication, and a process
exists only for an allow-listed image.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from shipway.base.errors import InvalidInput, NotFound, Unavailable
from shipway.kube.objects.wire import Duplex, Upgrade
from shipway.localcluster.apiserver.backend import Streams
from shipway.localcluster.node.logs import ContainerLog
from shipway.localcluster.node.streaming.channels import PROTOCOLS
from shipway.localcluster.node.streaming.child import Place, Wanted
from shipway.localcluster.node.streaming.commands import execute, watch_output
from shipway.localcluster.node.streaming.forwarding import CHANNELS, TUNNEL, forward

MOST_SESSIONS = 64
MOST_PORTS = 32


class RunningPod(Protocol):
    """A pod of this node. The methods raise InvalidInput or NotFound with what the user is told."""

    def place(self, container: str) -> Place: ...

    def output(self, container: str) -> ContainerLog: ...

    def reach(self, port: int) -> tuple[str, int]: ...

    def check_process(self) -> None: ...


class NodeStreams:
    """Serves the streams of this node's pods."""

    def __init__(self, find: Callable[[str, str], RunningPod | None]) -> None:
        self._find = find
        self._open = 0

    def exec(self, namespace: str, pod: str, container: str, command: Sequence[str], streams: Streams) -> Upgrade:
        """Runs a command beside a container's process."""
        if not command:
            raise InvalidInput("you must specify at least one command for the container", reason="BadRequest")
        wanted = Wanted(streams.stdin, streams.stdout, streams.stderr and not streams.tty, streams.tty)
        place = self._pod(namespace, pod).place(container)
        return self._upgrade(PROTOCOLS, lambda link: execute(link, place, command, wanted))

    def attach(self, namespace: str, pod: str, container: str, streams: Streams) -> Upgrade:
        """Shows a container's output from now on."""
        if streams.stdin or streams.tty:
            what = "attach shows its output only: leave out stdin and tty, or use exec"
            raise InvalidInput(f"container {container} does not read its input; {what}", reason="BadRequest")
        log = self._pod(namespace, pod).output(container)
        return self._upgrade(PROTOCOLS, lambda link: watch_output(link, log))

    def port_forward(self, namespace: str, pod: str, ports: Sequence[int]) -> Upgrade:
        """Connections to a pod's ports. `ports` only counts for the protocol that names them beforehand."""
        if len(ports) > MOST_PORTS:
            raise InvalidInput(f"{len(ports)} ports are too many: the limit is {MOST_PORTS}", reason="BadRequest")
        found = self._pod(namespace, pod)
        found.check_process()
        protocols = (TUNNEL, CHANNELS) if ports else (TUNNEL,)
        return self._upgrade(protocols, lambda link: forward(link, found.reach, ports))

    def _pod(self, namespace: str, name: str) -> RunningPod:
        found = self._find(namespace, name)
        if found is None:
            raise NotFound(f'pod "{namespace}/{name}" does not run on this node')
        return found

    def _upgrade(self, protocols: tuple[str, ...], serve: Callable[[Duplex], Awaitable[None]]) -> Upgrade:
        if self._open >= MOST_SESSIONS:
            raise Unavailable(f"{MOST_SESSIONS} sessions are open on this node already: end one of them")

        async def counted(link: Duplex) -> None:
            self._open += 1
            try:
                await serve(link)
            finally:
                self._open -= 1

        return Upgrade(protocols, counted)
