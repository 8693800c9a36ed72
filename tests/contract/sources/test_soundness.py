"""The law of the cache: after any history of commits, what is answered is what a fresh render of that commit gives.

Random edits to a repository that three tools read. A seed that fails becomes a test.
"""

import random

import pytest

from shipway.adapters.render.renderer import Renderer
from shipway.api.sources import Rendered
from shipway.base.errors import ShipwayError
from tests.contract.sources.rendering import Bench

CM = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: %s}\ndata: {v: '%s'}\n"
FILES = {
    "plain/a.yaml": CM % ("a", 0),
    "plain/sub/b.yaml": CM % ("b", 0),
    "base/kustomization.yaml": "resources: [c.yaml]\n",
    "base/c.yaml": CM % ("c", 0),
    "overlay/kustomization.yaml": "resources: [../base]\nnamePrefix: x-\n",
    "chart/Chart.yaml": "apiVersion: v2\nname: chart\nversion: 0.1.0\n",
    "chart/values.yaml": "v: 0\n",
    "chart/templates/d.yaml": CM % ("{{ .Release.Name }}", "{{ .Values.v }}"),
    "shared/values.yaml": "v: shared\n",
    "README.md": "0",
}
SOURCES = {
    "plain": {"path": "plain"},
    "deep": {"path": "plain", "directory": {"recurse": True}},
    "overlay": {"path": "overlay"},
    "chart": {"path": "chart", "helm": {"valueFiles": ["/shared/values.yaml", "extra.yaml"], "ignoreMissingValueFiles": True}},
    "strict": {"path": "chart", "helm": {"valueFiles": ["/shared/more.yaml"]}},
    "globbed": {"path": "chart", "helm": {"valueFiles": ["/shared/*.yaml"]}},
}


def edits(rng: random.Random, step: int) -> dict[str, str | None]:
    """One commit's changes; None takes a file away."""
    choices: list[dict[str, str | None]] = [
        {"plain/a.yaml": CM % ("a", step)},
        {"plain/sub/b.yaml": CM % ("b", step)},
        {"plain/new.yaml": CM % ("new", step)},
        {"base/c.yaml": CM % ("c", step)},
        {"base/kustomization.yaml": f"resources: [c.yaml]\nnameSuffix: -{step}\n"},
        {"overlay/kustomization.yaml": rng.choice(["resources: [../base]\n", "resources: [../base, ../plain/a.yaml]\n"])},
        {"chart/values.yaml": f"v: {step}\n"},
        {"chart/extra.yaml": f"v: extra-{step}\n"},
        {"shared/values.yaml": f"v: shared-{step}\n"},
        {"shared/more.yaml": f"v: more-{step}\n"},
        {"overlay/.argocd-source.yaml": f"kustomize: {{namePrefix: o{step}-}}\n"},
        {"plain/Chart.yaml": "apiVersion: v2\nname: was-plain\nversion: 0.1.0\n"},
        {"README.md": str(step)},
        {"plain/new.yaml": None},
        {"shared/more.yaml": None},
        {"plain/Chart.yaml": None},
        {"chart/extra.yaml": None},
    ]
    return {name: text for change in rng.sample(choices, 3) for name, text in change.items()}


async def answer(renderer: Renderer, request) -> tuple[object, ...]:
    """The objects, or the refusal."""
    try:
        rendered: Rendered = await renderer.render(request)
    except ShipwayError as error:
        return ("refused", error.message)
    return (rendered.source_type, *rendered.objects)


@pytest.mark.parametrize("seed", range(3))
async def test_what_is_answered_is_what_a_fresh_render_gives(tmp_path, seed):
    rng = random.Random(seed)
    bench = Bench(tmp_path, FILES)
    try:
        for step in range(8):
            bench.push({n: t for n, t in edits(rng, step).items() if t is not None or (bench.copy.path / n).exists()})
            fresh = Renderer(bench.mirrors, bench.engines, on_reads=lambda *_: None)
            for app, source in SOURCES.items():
                asked = await bench.request(source, app)
                whole = type(asked)(asked.repo_url, bench.root(), asked.source, asked.app_name, asked.namespace)
                assert await answer(bench.renderer, asked) == await answer(fresh, whole), (seed, step, app)
        assert sum(bench.renderer.renders.values()) < 8 * len(SOURCES)
    finally:
        await bench.close()
