"""Where a server of ours listens."""

import os

from aiohttp import web

from shipway.base.errors import InvalidInput


async def listen(runner: web.AppRunner, host: str, port: int, flag: str) -> tuple[str, int]:
    """Has a prepared server answer there, and says where that is (port 0: any free one).

    Raises InvalidInput (CannotListen) for an address that is taken or not ours; `flag` is how another one is given."""
    try:
        await web.TCPSite(runner, host, port).start()
    except OSError as error:
        raise cannot_listen(host, port, flag, error) from error
    address, found, *_ = runner.addresses[0]
    return address, found


def cannot_listen(host: str, port: int, flag: str, error: OSError) -> InvalidInput:
    """What to say of an address that is taken or not ours; `flag` is how another one is given."""
    return InvalidInput(
        f"cannot listen on {host}:{port}: {os.strerror(error.errno) if error.errno else error}; "
        f"stop who listens there, or give another {flag}",
        reason="CannotListen",
    )
