"""`shipway app logs`: what the pods of an Application say, one after the other or all at once as they say it.

The pods are those of its resource tree, so a kind and a name choose whatever stands above them. With `--follow` pods that come
later are followed too: when a pod of their namespaces begins that nobody knows, the tree is looked at once more.
"""

import asyncio
import sys
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import aclosing, suppress
from dataclasses import dataclass
from typing import Annotated, Literal

import orjson
from cyclopts import Parameter
from msgspec import Struct

from shipway.api.kinds import PODS
from shipway.assembly.resource_tree import Sight, resource_tree
from shipway.base.errors import Conflict, InvalidInput, NotFound, ShipwayError
from shipway.cli.app import find_app
from shipway.cli.durations import Duration
from shipway.cli.output import Paint, paint_for
from shipway.cli.process import configure_logs
from shipway.cli.session import Place, Session, at_destination, connected
from shipway.gitops.tree import Node
from shipway.kube.client.client import Client, LogOptions
from shipway.kube.client.watching import Listing
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import container_names, name_of, namespace_of, spec_of, status_of, uid_of

PAUSE = 1.0
"""Seconds until a watch that ended is begun again."""
COLOURS = ("cyan", "green", "yellow", "magenta", "blue")
Write = Callable[[str], None]
Format = Literal["text", "json"]


@Parameter(name="*")
@dataclass(frozen=True)
class LogFlags:
    """Whose logs, and which part of them."""

    kind: Annotated[str, Parameter(show_default=False)] = ""
    "Only pods that belong to an object of this kind."
    group: Annotated[str, Parameter(show_default=False)] = ""
    "Of this API group."
    resource_name: Annotated[str, Parameter(name=["--name", "--resource-name"], show_default=False)] = ""
    "With this name."
    container: Annotated[str, Parameter(name=["--container", "-c"], show_default=False)] = ""
    "Only this container; all that are no init containers otherwise."
    follow: Annotated[bool, Parameter(name=["--follow", "-f"], negative="")] = False
    "Go on with what is said, by pods that come later too, until Ctrl-C."
    since: Annotated[Duration | None, Parameter(show_default=False)] = None
    "Only what was said in this time, like 5m."
    tail: Annotated[int | None, Parameter(show_default=False)] = None
    "Only so many lines of each."
    previous: Annotated[bool, Parameter(name=["--previous", "-p"], negative="")] = False
    "Of the container that ran before the present one."
    timestamps: Annotated[bool, Parameter(negative="")] = False
    "Each line with its time."
    filter: Annotated[str, Parameter(show_default=False)] = ""
    "Only lines with this text."


class Voice(Struct, frozen=True):
    """One container that says something."""

    namespace: str
    pod: str
    container: str


class Shown(Struct, frozen=True):
    """How lines are printed. `is_named`: with whose they are."""

    output: Format
    is_named: bool
    text: str = ""
    paint: Paint = Paint()

    def line(self, voice: Voice, said: str) -> str:
        """ "" for a line that is not wanted."""
        if self.text not in said:
            return ""
        if self.output == "json":
            fields = {"namespace": voice.namespace, "pod": voice.pod, "container": voice.container, "content": said}
            return f"{orjson.dumps(fields).decode()}\n"
        colour = COLOURS[sum(map(ord, voice.pod)) % len(COLOURS)]
        return f"{self.paint(f'{voice.pod} {voice.container} |', colour)} {said}\n" if self.is_named else f"{said}\n"


async def logs_command(
    name: str,
    /,
    *,
    flags: LogFlags | None = None,
    output: Annotated[Format, Parameter(name=["--output", "-o"])] = "text",
    place: Place | None = None,
) -> int:
    """Print the logs of the Application's pods.

    Parameters
    ----------
    name
        The Application.
    output
        text, or json: one document a line.
    """
    configure_logs(quiet=True)
    async with connected(place) as session:
        return await show_logs(session, name, flags or LogFlags(), output)


async def show_logs(session: Session, name: str, flags: LogFlags, output: Format = "text", write: Write | None = None) -> int:
    """Raises NotFound where there is no pod, InvalidInput where no pod has the container that is asked for."""
    application = await find_app(session, name)
    async with at_destination(session, application) as there:
        return await _show_logs(session, application, there, flags, output, write)


async def _show_logs(
    session: Session, application: Obj, there: Client, flags: LogFlags, output: Format, write: Write | None
) -> int:
    name = name_of(application)
    sight = await resource_tree(session.client, application, session.clock, there)
    pods = chosen_pods(sight, flags)
    if not pods and not flags.follow:
        raise NotFound(f"{name} has no pods that fit: see `shipway app tree {name}`")
    voices = [voice for pod in pods for voice in voices_of(pod, flags.container)]
    if pods and not voices:
        known = sorted({container for pod in pods for container in container_names(spec_of(pod))})
        raise InvalidInput(f'no pod has a container "{flags.container}": they have {", ".join(known)}')
    shown = Shown(output, len(voices) > 1 or flags.follow, flags.filter, paint_for(sys.stdout))
    reader = _Reader(there, flags, shown, write or _to_stdout)
    if flags.follow:
        await _Following(session, application, there, flags, reader).run({namespace_of(one) for one in sight.objects} - {""})
    for voice in voices:
        await reader.read(voice)
    return 0


def chosen_pods(sight: Sight, flags: LogFlags) -> list[Obj]:
    """The pods at or below what the flags name, in the order of the tree."""
    pods = {uid_of(obj): obj for obj in sight.objects if obj.get("kind") == "Pod"}
    inside: set[str] = set()
    for node in sight.tree.nodes:  # parents come before their children
        if node.above in inside or _fits(node, flags):
            inside.add(node.uid)
    return [pods[node.uid] for node in sight.tree.nodes if node.uid in pods and node.uid in inside]


def voices_of(pod: Obj, container: str) -> list[Voice]:
    """The containers of a pod that are asked for."""
    names = [container] if container else [one["name"] for one in spec_of(pod).get("containers") or []]
    return [Voice(namespace_of(pod), name_of(pod), name) for name in names if name in container_names(spec_of(pod))]


def _fits(node: Node, flags: LogFlags) -> bool:
    wanted = ((flags.kind, node.ref.kind), (flags.group, node.ref.group), (flags.resource_name, node.ref.name))
    return all(value in ("", there) for value, there in wanted)


class _Reader:
    """Prints what voices say, a line at a time, so that lines of several never mix."""

    def __init__(self, there: Client, flags: LogFlags, shown: Shown, write: Write) -> None:
        self._client = there
        self._shown = shown
        self._write = write
        self._options: LogOptions = {
            "follow": flags.follow,
            "tail_lines": flags.tail,
            "since_seconds": flags.since,
            "previous": flags.previous,
            "timestamps": flags.timestamps,
        }

    async def read(self, voice: Voice) -> None:
        """One that cannot be read is told, and stops no other."""
        options: LogOptions = {**self._options, "container": voice.container}
        chunks = self._client.logs(voice.namespace, voice.pod, **options)
        try:
            async with aclosing(chunks), aclosing(_lines(chunks)) as lines:
                async for line in lines:
                    if text := self._shown.line(voice, line):
                        self._write(text)
        except ShipwayError as error:
            print(f"{voice.pod} {voice.container}: {error.message}", file=sys.stderr)


async def _lines(chunks: AsyncGenerator[bytes, None]) -> AsyncGenerator[str, None]:
    rest = b""
    async for chunk in chunks:
        *whole, rest = (rest + chunk).split(b"\n")
        for line in whole:
            yield line.decode("utf-8", "replace")
    if rest:
        yield rest.decode("utf-8", "replace")


class _Following:
    """Reads every pod of the application that has begun, and those that will; until it is cancelled."""

    def __init__(self, session: Session, application: Obj, there: Client, flags: LogFlags, reader: _Reader) -> None:
        self._session = session
        self._there = there
        self._application = application
        self._flags = flags
        self._reader = reader
        self._begun: set[str] = set()

    async def run(self, namespaces: Iterable[str]) -> None:
        """The lists come before the tree, so that a pod which begins in between is seen by one of them."""
        listings = {namespace: await self._there.list(PODS, namespace) for namespace in namespaces}
        async with asyncio.TaskGroup() as group:
            await self._begin(group)
            for namespace, listing in listings.items():
                group.create_task(self._watch(group, namespace, listing))

    async def _begin(self, group: asyncio.TaskGroup) -> None:
        """Reads the pods that have begun since the last time."""
        sight = await resource_tree(self._session.client, self._application, self._session.clock, self._there)
        for pod in chosen_pods(sight, self._flags):
            if _has_begun(pod) and uid_of(pod) not in self._begun:
                self._begun.add(uid_of(pod))
                for voice in voices_of(pod, self._flags.container):
                    group.create_task(self._reader.read(voice))

    async def _watch(self, group: asyncio.TaskGroup, namespace: str, listing: Listing[Obj]) -> None:
        known = {uid_of(pod) for pod in listing.items if _has_begun(pod)}
        while True:
            watch = self._there.watch(PODS, namespace, resource_version=listing.resource_version)
            with suppress(Conflict):  # too old to go on from: the list below tells what was missed
                async with aclosing(watch) as events:
                    async for event in events:
                        await self._look_at(event.obj if event.type in ("ADDED", "MODIFIED") else {}, known, group)
            await self._session.clock.sleep(PAUSE)
            listing = await self._there.list(PODS, namespace)
            for pod in listing.items:
                await self._look_at(pod, known, group)

    async def _look_at(self, pod: Obj, known: set[str], group: asyncio.TaskGroup) -> None:
        """A pod that begins may be ours; each is asked about once."""
        if _has_begun(pod) and uid_of(pod) not in known | self._begun:
            known.add(uid_of(pod))
            await self._begin(group)


def _has_begun(pod: Obj) -> bool:
    """Whether its containers have something to say, or never will have."""
    return status_of(pod).get("phase") not in (None, "", "Pending")


def _to_stdout(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()
