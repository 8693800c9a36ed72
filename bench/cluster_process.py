"""`python -m bench.cluster_process HOME`: the embedded cluster in a process of its own, until it is terminated.

So that whoever measures it does not measure himself, as with the real control plane.
"""

import asyncio
import signal
import sys
from pathlib import Path

from shipway.assembly.cluster import embedded_cluster
from shipway.base.clock import SystemClock


async def main(home: Path) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    async with embedded_cluster(home, SystemClock()) as cluster:
        (home / "gateway").write_text(cluster.gateway_url)
        (home / "ready").touch()
        await stop.wait()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
