"""A port for a program that has to be told its own: free now, and nobody else's until the program has bound it.

The kernel hands the ports of its own range to whoever asks for any, and to every connection that goes out, so one that was free
a moment ago may be gone. These lie below that range; each is claimed, by the UDP socket of the same number, for as long as
this process lives, so that no other process of the tests is given it.
"""

import asyncio
import os
import socket

_LOWEST, _BEYOND = 15_000, 30_000
_claims: list[socket.socket] = []


def free_port() -> int:
    """Of 127.0.0.1. OSError when there is none."""
    number = _BEYOND - _LOWEST
    first = (os.getpid() * 101 + len(_claims)) % number
    for offset in range(number):
        port = _LOWEST + (first + offset) % number
        claim = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            claim.bind(("127.0.0.1", port))
            with socket.socket() as one:
                one.bind(("127.0.0.1", port))
        except OSError:
            claim.close()
            continue
        _claims.append(claim)
        return port
    raise OSError("no free port")


async def listens(port: int) -> bool:
    """Whether somebody takes connections there."""
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True
