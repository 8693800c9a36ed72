"""`exec` and `attach` over one upgraded connection.

A session ends with its command, with its client, with its container, or after `LONGEST_SECONDS`; whatever the command had
started in its process group is gone then.
"""

import asyncio
from collections.abc import Sequence
from contextlib import aclosing, suppress

from shipway.base.errors import InvalidInput
from shipway.kube.objects.wire import Duplex
from shipway.localcluster.node.logs import ContainerLog, LogQuery
from shipway.localcluster.node.streaming.channels import OUTCOME, STDERR, STDOUT, TerminalSize, failure, on, outcome, said
from shipway.localcluster.node.streaming.child import Child, Place, Wanted, running

LONGEST_SECONDS = 4 * 3600.0
DRAIN_SECONDS = 30.0
"""How long a client may take to read what a command has said before it ended."""


class ClientGone(Exception):
    """Nobody waits for the outcome any more."""


async def execute(link: Duplex, place: Place, command: Sequence[str], wanted: Wanted) -> None:
    """Runs a command for a client and tells it how that ended."""
    await link.send(on(_first(wanted)))  # says that the connection stands
    try:
        async with running(place, command, wanted) as child:
            await link.send(outcome(await _attended(link, child, place.ended)))
    except InvalidInput as error:
        await link.send(failure(error.message))
    except (ClientGone, TimeoutError, ConnectionError):
        return


async def watch_output(link: Duplex, log: ContainerLog) -> None:
    """Passes on what a container writes from now on, until it ends."""
    await link.send(on(STDOUT))
    async with asyncio.TaskGroup() as tasks:
        following = tasks.create_task(_follow(link, log))
        leaving = tasks.create_task(_until_gone(link))
        await asyncio.wait({following, leaving}, return_when=asyncio.FIRST_COMPLETED)
        has_ended = following.done()
        following.cancel()
        leaving.cancel()
    if has_ended:
        await link.send(outcome(0))


async def _follow(link: Duplex, log: ContainerLog) -> None:
    with suppress(ConnectionError):
        async with aclosing(log.read(LogQuery(follow=True, tail_lines=0))) as lines:
            async for line in lines:
                await link.send(on(STDOUT, line))


async def _until_gone(link: Duplex) -> None:
    while await link.receive() is not None:
        pass


async def _attended(link: Duplex, child: Child, container_ended: asyncio.Event) -> int:
    """The exit code, with everything passed both ways until then. Raises ClientGone, TimeoutError."""
    async with asyncio.timeout(LONGEST_SECONDS), asyncio.TaskGroup() as tasks:
        outputs = [tasks.create_task(_pass_on(link, child, channel)) for channel in child.outputs]
        listening = tasks.create_task(_listen(link, child))
        ended = tasks.create_task(child.wait())
        orphaned = tasks.create_task(_kill_after(child, container_ended))
        await asyncio.wait({listening, ended}, return_when=asyncio.FIRST_COMPLETED)
        if ended.done():
            child.kill()  # what it has left behind would keep its output open
            draining = tasks.create_task(_all(outputs))
            await asyncio.wait({draining, listening}, timeout=DRAIN_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        for task in (*outputs, listening, ended, orphaned):
            task.cancel()
    if not ended.done() or ended.cancelled():
        raise ClientGone
    return ended.result()


async def _all(tasks: Sequence[asyncio.Task[None]]) -> None:
    if tasks:
        await asyncio.wait(tasks)


async def _kill_after(child: Child, container_ended: asyncio.Event) -> None:
    await container_ended.wait()
    child.kill()


async def _pass_on(link: Duplex, child: Child, channel: int) -> None:
    with suppress(ConnectionError):  # whoever listens finds out as well
        async with aclosing(child.read(child.outputs[channel])) as pieces:
            async for piece in pieces:
                await link.send(on(channel, piece))


async def _listen(link: Duplex, child: Child) -> None:
    """Until the client has gone."""
    while (message := await link.receive()) is not None:
        match said(message):
            case ("input", bytes(piece)):
                await child.write(piece)
            case ("end", None):
                await child.end_input()
            case ("size", TerminalSize() as size):
                child.resize(size)
            case _:
                pass


def _first(wanted: Wanted) -> int:
    return STDOUT if wanted.stdout else STDERR if wanted.stderr else OUTCOME
