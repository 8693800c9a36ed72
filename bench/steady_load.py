"""`python -m bench.steady_load PORT RATE HOST …`: keep-alive clients that ask each host RATE times a second, until SIGTERM.

Prints one JSON object: requests, failed, requests_per_s (what was reached), p95_ms. A client that is behind makes up for
nothing, so a machine that cannot keep the pace shows in what was reached.
"""

import asyncio
import json
import signal
import sys

from shipway.base.clock import SystemClock
from shipway.demo.load import Load

CLIENTS = 2
"""Connections to each host."""


async def main(port: int, rate: float, hosts: list[str]) -> None:
    clock, stop = SystemClock(), asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    loads = [Load(port, host=host, clock=clock, rate=rate, clients=CLIENTS) for host in hosts]
    begun = clock.now()
    print("begun", flush=True)
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(load.run()) for load in loads]
        await stop.wait()
        for task in tasks:
            task.cancel()
    samples = [sample for load in loads for sample in load.samples]
    took = sorted(sample.seconds for sample in samples)
    figures = {
        "requests": len(samples),
        "failed": sum(sample.is_failed for sample in samples),
        "requests_per_s": len(samples) / (clock.now() - begun),
        "p95_ms": took[int(len(took) * 0.95)] * 1e3 if took else 0.0,
    }
    print(json.dumps(figures))


asyncio.run(main(int(sys.argv[1]), float(sys.argv[2]), sys.argv[3:]))
