"""What unit tests of the ApplicationSet engine have in common: sets, and evaluations whose questions are answered at once."""

from collections.abc import Callable, Sequence
from typing import Any

import orjson

from shipway.adapters.templates import worker
from shipway.adapters.templates.engine import filled_by, job_of
from shipway.api.applicationset import parse_set
from shipway.api.forges import Branch, PullRequest
from shipway.api.listings import Listed, Listing
from shipway.appsets.asks import BranchesAsk, Decisions, DecisionsAsk, FillAsk, ListingAsk, PluginAsk, PullRequestsAsk
from shipway.appsets.evaluation import Evaluation, evaluate
from shipway.appsets.generators.expand import expand
from shipway.appsets.scene import Dialect, Params, Scene, Surroundings
from shipway.appsets.terms import Terms
from shipway.base.clock import Instant
from shipway.base.errors import ShipwayError
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import name_of
from shipway.kube.runtime.decision import Answer, Ask

TEMPLATE = {
    "metadata": {"name": "{{.name}}"},
    "spec": {
        "project": "default",
        "source": {"repoURL": "https://git.test/a.git", "path": "a"},
        "destination": {"server": "https://kubernetes.default.svc"},
    },
}


def made(*generators: Obj, **spec: Any) -> Obj:
    """A set as the API server gives it."""
    body = {"goTemplate": True, "generators": list(generators), "template": TEMPLATE, **spec}
    meta = {"name": "fleet", "namespace": "argocd", "uid": "u-1", "generation": 1}
    return {"apiVersion": "argoproj.io/v1alpha1", "kind": "ApplicationSet", "metadata": meta, "spec": body}


class Answers:
    """Templates are filled, listings are taken from `listings` by what is asked for; `at`: when it was asked."""

    def __init__(self, **listings: list[tuple[str, Any]]) -> None:
        self.listings = listings
        self.at = Instant(0.0)
        self.branches: tuple[Branch, ...] = ()
        self.pulls: tuple[PullRequest, ...] | ShipwayError = ()
        self.plugin: Callable[[Any], list[Any]] = lambda told: []
        self.decided: list[Any] = []
        self.asked: list[Ask] = []

    def __call__(self, ask: Ask) -> Answer | None:
        if isinstance(ask, PullRequestsAsk):
            return Answer(self.pulls, at=self.at) if isinstance(self.pulls, tuple) else Answer(error=self.pulls, at=self.at)
        if isinstance(ask, BranchesAsk):
            return Answer(self.branches, at=self.at)
        if isinstance(ask, PluginAsk):
            self.asked.append(ask)
            return Answer(orjson.dumps(self.plugin(orjson.loads(ask.parameters))), at=self.at)
        if isinstance(ask, DecisionsAsk):
            self.asked.append(ask)
            return Answer(Decisions("clusterName", orjson.dumps(self.decided)), at=self.at)
        if isinstance(ask, ListingAsk):
            found = self.listings.get(ask.request.patterns[0].path.strip("/*").replace("/", "_"))
            listed = [
                Listed(path, orjson.dumps(content if isinstance(content, list) else [content])) for path, content in found or []
            ]
            return None if found is None else Answer(Listing("c" * 40, tuple(listed)), at=self.at)
        assert isinstance(ask, FillAsk)
        return Answer(tuple(filled_by(worker.render(job_of(ask.template, ask.entries)))), at=self.at)


def project(name: str, annotations: dict[str, str] | None = None, **spec: Any) -> Obj:
    meta = {"name": name, "namespace": "argocd", "uid": f"u-{name}", "resourceVersion": "1", "annotations": annotations or {}}
    return {"apiVersion": "argoproj.io/v1alpha1", "kind": "AppProject", "metadata": meta, "spec": spec}


def surroundings(*clusters: Obj, projects: Sequence[Obj] = (project("default"),), terms: Terms = Terms()) -> Surroundings:  # noqa: B008
    return Surroundings("argocd", clusters, {name_of(one): one for one in projects}.get, terms)


def scene(answers: Answers | None = None, *clusters: Obj, go: bool = True) -> Scene:
    return Scene(Dialect(go), surroundings(*clusters), answers or Answers(), "argocd", "fleet")


def entries(generator: Obj, answers: Answers | None = None, *clusters: Obj, go: bool = True) -> list[Params]:
    """What a generator gives when everything it asks is answered."""
    return expand(generator, scene(answers, *clusters, go=go), "spec.generators[0]")


def evaluated(appset: Obj, answers: Answers | None = None, *clusters: Obj) -> Evaluation:
    spec = parse_set(appset)
    return evaluate(appset, spec, scene(answers, *clusters, go=spec.go_template))
