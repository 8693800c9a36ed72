"""`python -m bench.http_load PORT HOST CONNECTIONS SECONDS`: closed-loop keep-alive clients in a process of their own.

Prints one JSON object: requests_per_s, p50_ms, failed.
"""

import asyncio
import json
import sys
import time


async def user(port: int, request: bytes, until: float, took: list[float], failed: list[int]) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    while (begun := time.perf_counter()) < until:
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        place = head.lower().index(b"content-length: ") + 16
        await reader.readexactly(int(head[place : head.index(b"\r", place)]))
        took.append(time.perf_counter() - begun)
        if not head.startswith(b"HTTP/1.1 200"):
            failed.append(1)
    writer.close()


async def main(port: int, host: str, connections: int, seconds: float) -> None:
    took: list[float] = []
    failed: list[int] = []
    request = f"GET / HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()
    begun = time.perf_counter()
    async with asyncio.TaskGroup() as tasks:
        for _ in range(connections):
            tasks.create_task(user(port, request, begun + seconds, took, failed))
    passed = time.perf_counter() - begun
    figures = {"requests_per_s": len(took) / passed, "p50_ms": sorted(took)[len(took) // 2] * 1e3, "failed": len(failed)}
    print(json.dumps(figures))


asyncio.run(main(int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), float(sys.argv[4])))
