"""`python -m bench.member_process HOME COUNT`: API servers without nodes, all in one process, until it is terminated.

`HOME/members.json` says how each is reached, once all of them are: a list of {server, token, ca}.
"""

import asyncio
import base64
import json
import signal
import sys
from contextlib import AsyncExitStack
from pathlib import Path

from shipway.base.clock import SystemClock
from shipway.base.ids import RandomIds
from shipway.localcluster.apiserver.http import Identity, serve
from shipway.localcluster.apiserver.server import ApiServer
from shipway.localcluster.apiserver.tls import ensure_tls

TOKEN = "sesame"


async def main(home: Path, count: int) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    clock = SystemClock()
    tls = ensure_tls(home / "tls", clock.now())
    ca = base64.b64encode(tls.ca_pem()).decode()
    members: list[dict[str, str]] = []
    async with AsyncExitStack() as stack:
        for _ in range(count):
            server = await ApiServer.open(path=None, clock=clock, ids=RandomIds())
            stack.push_async_callback(server.close)
            url = await stack.enter_async_context(serve(server, tokens={TOKEN: Identity("admin")}, tls=tls))
            members.append({"server": url, "token": TOKEN, "ca": ca})
        partial = home / "members.json.part"
        partial.write_text(json.dumps(members))
        partial.rename(home / "members.json")
        await stop.wait()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2])))
