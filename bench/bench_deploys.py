"""Many deploys in a row to 45 applications: is the last one live as soon as the first?

`DEPLOYS=1000 APPS=45 TARGETS=real make bench NAME=deploys`. Each deploy is a commit to one application of a monorepo, pushed
over HTTP and told by webhook, one every quarter of a second: eighty times the pace of 4,000 a day. The time counts from the end
of `git push` until the object is live, as it is or as a later deploy to the same application has made it. What is wanted: no
deploy is lost, and the slowest hundredth of the last quarter is not slower than that of the second (the first one warms up).
"""

import asyncio
import os
import tempfile
from contextlib import suppress
from pathlib import Path

from bench.applications import CLOCK, NAMESPACE, Monorepo, application, first_sync, stage
from bench.bench_gitops import p
from shipway.api.kinds import CONFIG_MAPS
from shipway.kube.client.client import Client

APPS = int(os.environ.get("APPS", "45"))
DEPLOYS = int(os.environ.get("DEPLOYS", "1000"))
TARGETS = os.environ.get("TARGETS", "real").split(",")
APART_SECONDS = 0.25
PATIENCE_SECONDS = 60.0
"""After the last push; what is not live by then is lost."""


class Arrivals:
    """Which deploys were seen live, by the number in their ConfigMap's text, and when."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._seen: dict[int, float] = {}
        self._news = asyncio.Event()

    async def follow(self) -> None:
        """Until cancelled; a watch that the server ends is begun again."""
        while True:
            listing = await self._client.list(CONFIG_MAPS, NAMESPACE)
            for obj in listing.items:
                self._saw(obj["data"].get("text", ""))
            async for event in self._client.watch(CONFIG_MAPS, NAMESPACE, resource_version=listing.resource_version):
                if event.type in ("ADDED", "MODIFIED"):
                    self._saw(event.obj["data"].get("text", ""))

    def _saw(self, text: str) -> None:
        name, _, number = text.partition("-")
        if name == "deploy":
            self._seen.setdefault(int(number), CLOCK.elapsed())
            self._news.set()

    def live_at(self, deploy: int) -> float | None:
        """When it, or a later one of the same application, was live; None: never."""
        return min((self._seen[one] for one in range(deploy, DEPLOYS, APPS) if one in self._seen), default=None)

    async def last_ones(self, seconds: float) -> None:
        """Until the last deploy of every application is live, or it took too long."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while any(one not in self._seen for one in range(max(0, DEPLOYS - APPS), DEPLOYS)):
                    self._news.clear()
                    await self._news.wait()


async def run() -> dict[str, float]:
    figures: dict[str, float] = {"apps": APPS, "deploys": DEPLOYS}
    for target in TARGETS:
        with tempfile.TemporaryDirectory(prefix="shipway-bench-") as home:
            async with stage(target, Path(home), APPS) as (client, repo, engines, git):
                await first_sync(client, engines, [application(number, git.url("mono")) for number in range(APPS)])
                before = engines.usage()
                took, lost = await deployed(client, repo)
                after = engines.usage()
        quarter = len(took) // 4
        second, last = took[quarter : 2 * quarter], took[-quarter:]
        figures |= {
            f"{target}_lost": lost,
            f"{target}_live_p50_seconds": p(took, 0.5),
            f"{target}_live_p99_seconds": p(took, 0.99),
            f"{target}_p99_last_quarter_to_second": p(last, 0.99) / p(second, 0.99),
            f"{target}_cpu_seconds_each": (after.cpu - before.cpu) / DEPLOYS,
            f"{target}_grown_mb": after.mb - before.mb,
        }
    return figures


async def deployed(client: Client, repo: Monorepo) -> tuple[list[float], int]:
    """Seconds from push to live of each deploy in the order of the pushes, and how many never came."""
    arrivals, pushed_at = Arrivals(client), list[float]()
    async with asyncio.TaskGroup() as group:
        following = group.create_task(arrivals.follow())
        for deploy in range(DEPLOYS):
            began = CLOCK.elapsed()
            await repo.change(deploy % APPS, f"deploy-{deploy}")
            pushed_at.append(CLOCK.elapsed())
            await CLOCK.sleep(max(0.0, began + APART_SECONDS - CLOCK.elapsed()))
        await arrivals.last_ones(PATIENCE_SECONDS)
        following.cancel()
    live_at = [arrivals.live_at(deploy) for deploy in range(DEPLOYS)]
    took = [max(0.0, live - pushed) for live, pushed in zip(live_at, pushed_at, strict=True) if live is not None]
    return took, DEPLOYS - len(took)
