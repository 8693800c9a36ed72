"""What a render costs, by tool, and what a push to one of a thousand applications costs.

Real Git, real Helm and Kustomize in their workers, warm: the median of repeated renders of changed content. `first_chart_ms`
includes the start of a worker.
"""

import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from shipway.api.sources import HeadRequest
from shipway.kube.objects import yaml
from tests.contract.sources.rendering import Bench

APPS = 1000
ROUNDS = 15
DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: "web:1"}]}
"""
FILES = {
    "chart/Chart.yaml": "apiVersion: v2\nname: web\nversion: 0.1.0\n",
    "chart/values.yaml": "replicas: 1\n",
    "chart/templates/web.yaml": DEPLOYMENT.replace("name: web}", "name: '{{ .Release.Name }}'}"),
    "base/kustomization.yaml": "resources: [web.yaml]\n",
    "base/web.yaml": DEPLOYMENT,
    "overlay/kustomization.yaml": "resources: [../base]\nnamePrefix: eu-\nimages: [{name: web, newTag: '2'}]\n",
    **{f"apps/{n:04}/web.yaml": DEPLOYMENT for n in range(APPS)},
}


async def run() -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder), FILES)
        try:
            return {**await _tools(bench), **await _monorepo(bench), "yaml_mb_per_s": _yaml()}
        finally:
            await bench.close()


async def _tools(bench: Bench) -> dict[str, float]:
    first = await _milliseconds(lambda: bench.render({"path": "chart"}, "first"))
    figures = {"first_chart_ms": first}
    for name, path in (("chart_ms", "chart"), ("overlay_ms", "overlay"), ("folder_ms", "apps/0000")):
        times = [await _milliseconds(lambda n=n, p=path: bench.render({"path": p}, f"app-{n}")) for n in range(ROUNDS)]
        figures[name] = round(statistics.median(times), 2)
    known = await bench.request({"path": "chart"}, "first")
    figures["known_ms"] = round(await _milliseconds(lambda: bench.renderer.render(known)), 3)
    return figures


async def _monorepo(bench: Bench) -> dict[str, float]:
    """A push that touches one of a thousand applications: heads of all of them, and the renders that follow."""
    sources = [{"path": f"apps/{n:04}"} for n in range(APPS)]
    for n, source in enumerate(sources):
        bench.mirrors.remember_reads(bench.url, (await bench.request(source)).source, (f"apps/{n:04}",))
    before = [await bench.request(source, f"m{n}") for n, source in enumerate(sources)]
    bench.push({"apps/0007/web.yaml": DEPLOYMENT.replace("web:1", "web:2")})
    renders = sum(bench.renderer.renders.values())
    begun = time.perf_counter()
    fetched = await _milliseconds(lambda: bench.mirrors.head(HeadRequest(bench.url, "main", before[0].source)))
    after = [await bench.request(source, f"m{n}") for n, source in enumerate(sources)]
    for old, new in zip(before, after, strict=True):
        if old != new:
            await bench.renderer.render(new)
    spent = time.perf_counter() - begun
    again = sum(bench.renderer.renders.values()) - renders
    return {"fetch_ms": round(fetched, 1), "apps": APPS, "one_app_push_ms": round(1000 * spent, 1), "renders_after_push": again}


async def _milliseconds(work: Callable[[], Awaitable[object]]) -> float:
    begun = time.perf_counter()
    await work()
    return 1000 * (time.perf_counter() - begun)


def _yaml() -> float:
    text = "---\n".join([DEPLOYMENT] * 1000)
    begun = time.perf_counter()
    yaml.load_all(text)
    return round(len(text) / 1e6 / (time.perf_counter() - begun), 2)
