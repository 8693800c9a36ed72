"""What somebody got wrong, from the commit to the sentence that says so: what, where, what to do; and that mending heals.

Each case: two Applications of one repository are live. A commit (or an edit) breaks the first and changes the second. The
first says what is wrong, in the words of `shipway app get`; nothing of it that is live is touched; the second goes on; the
next commit heals.
"""

import asyncio
import sys

import pytest
from msgspec import Struct

from shipway.api.kinds import APPLICATIONS, CONFIG_MAPS, DEPLOYMENTS, PODS, REPLICA_SETS, SERVICES
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import dig, name_of
from tests.e2e.places import Place, config_map
from tests.e2e.running import app_is, application, environment, synced_to
from tests.waiting import comes_to

LIVE = (CONFIG_MAPS, DEPLOYMENTS, PODS, REPLICA_SETS, SERVICES)
CALM = {"server": "https://kubernetes.default.svc", "namespace": "calm"}
Files = dict[str, str | None]


class Case(Struct, frozen=True):
    """Files of the folder `deploy` when all is well, and what breaks them: a commit, or an edit of the Application's source.

    `says` is the sentence; `@` stands for the commit, `#` for the repository. `heals`: a commit, or the source mended.
    """

    good: Files
    says: str
    bad: Files = {}
    bad_source: dict[str, object] = {}
    heals: Files = {}
    good_source: dict[str, object] = {}


CONFIG: Files = {"banner.yaml": config_map("one")}
CHART: Files = {
    "Chart.yaml": "apiVersion: v2\nname: shop\nversion: 1.0.0\n",
    "values.yaml": "text: one\n",
    "templates/banner.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: banner}\ndata: {text: {{ .Values.text }}}\n",
    "banner.yaml": None,
}
PROBE = """apiVersion: argoproj.io/v1alpha1
kind: AnalysisTemplate
metadata: {name: probe}
spec:
  metrics:
  - name: error-rate
    successCondition: result < 0.05
    consecutiveErrorLimit: 0
    provider: {web: {url: "http://127.0.0.1:1/errors", jsonPath: "{$.rate}"}}
"""
SERVICES_NAMED = "canaryService: canary\n      stableService: stable"
ROUTE_NAMED = "trafficRouting: {plugins: {argoproj-labs/gatewayAPI: {httpRoute: web, namespace: shop}}}"
ANALYSIS = "[{analysis: {templates: [{templateName: probe}]}}]"
HALF = "[{setWeight: 50}]"


def service(name: str) -> str:
    return (
        f"apiVersion: v1\nkind: Service\nmetadata: {{name: {name}}}\nspec: {{selector: {{app: web}}, ports: [{{port: 80}}]}}\n"
    )


def rollout(steps: str = HALF, image: str = "example/web:v1", more: str = "") -> str:
    return f"""apiVersion: argoproj.io/v1alpha1
kind: Rollout
metadata: {{name: web}}
spec:
  replicas: 2
  selector: {{matchLabels: {{app: web}}}}
  template:
    metadata: {{labels: {{app: web}}}}
    spec: {{containers: [{{name: web, image: "{image}"}}]}}
  strategy:
    canary:
      steps: {steps}
      {more}
"""


WEB: Files = {"rollout.yaml": rollout(), "banner.yaml": None}
HEALED: Files = {"rollout.yaml": rollout(image="example/web:v2")}
ROUTED: Files = {"canary.yaml": service("canary"), "stable.yaml": service("stable")}
INVALID = 'shop is Degraded: Rollout shop/web: The Rollout "web" is invalid: spec.strategy.'
LEFT_ALONE = " Mend that in Git; the running version is left alone."
STAYS = " What runs stays as it is until that is mended."

CASES = {
    "a broken manifest": Case(
        CONFIG,
        "shop cannot be compared with Git: deploy/banner.yaml: line 4, column 1: did not find expected ',' or '}'." + STAYS,
        {"banner.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: banner\n"},
        heals={"banner.yaml": config_map("mended")},
    ),
    "an unknown value file": Case(
        CHART,
        "shop cannot be compared with Git: Error: open deploy/values-prod.yaml: no such file or directory: add the value file "
        "'values-prod.yaml', correct spec.source.helm.valueFiles, or set spec.source.helm.ignoreMissingValueFiles: true."
        + STAYS,
        bad_source={"helm": {"valueFiles": ["values-prod.yaml"]}},
        heals={"values-prod.yaml": "text: two\n"},
    ),
    "an unreachable repository": Case(
        CONFIG,
        "shop cannot be compared with Git: repository http://127.0.0.1:1/shop.git is unreachable: fatal: unable to access "
        "'http://127.0.0.1:1/shop.git/': Failed to connect to 127.0.0.1 port 1 after 0 ms: Couldn't connect to server: "
        "check its URL, the network and the login." + STAYS,
        bad_source={"repoURL": "http://127.0.0.1:1/shop.git"},
        good_source={"repoURL": "#"},
        heals={"banner.yaml": config_map("mended")},
    ),
    "an unknown revision": Case(
        CONFIG,
        "shop cannot be compared with Git: repository #: revision 'mian' does not exist: did you mean main?" + STAYS,
        bad_source={"targetRevision": "mian"},
        good_source={"targetRevision": "main"},
        heals={"banner.yaml": config_map("mended")},
    ),
    "an impossible step": Case(
        WEB,
        f"{INVALID}steps[0].setWeight: Invalid value: 150: SetWeight needs to be between 0 and 100.{LEFT_ALONE}",
        {"rollout.yaml": rollout("[{setWeight: 150}]", "example/web:v2")},
        heals=HEALED,
    ),
    "a missing service": Case(
        WEB,
        f'{INVALID}canary.stableService: Invalid value: "stable": service "stable" not found.{LEFT_ALONE}',
        {"rollout.yaml": rollout(HALF, "example/web:v2", SERVICES_NAMED)},
        heals=ROUTED,
    ),
    "a missing route": Case(
        {**WEB, **ROUTED},
        f"{INVALID}canary.trafficRouting.plugins.argoproj-labs/gatewayAPI.httpRoutes: "
        f'Invalid value: "web": HTTPRoute "web" not found in namespace "shop".{LEFT_ALONE}',
        {"rollout.yaml": rollout(HALF, "example/web:v2", f"{SERVICES_NAMED}\n      {ROUTE_NAMED}")},
        heals=HEALED,
    ),
    "a missing template": Case(
        WEB,
        f'{INVALID}canary.steps[0].analysis.templates: Invalid value: "probe": '
        f"AnalysisTemplate 'probe' not found.{LEFT_ALONE}",
        {"rollout.yaml": rollout(ANALYSIS, "example/web:v2")},
        heals=HEALED,
    ),
    "a metric that errs": Case(
        WEB,
        "shop is Degraded: Git wants v2 (commit @), but the canary was aborted because metric error-rate could not be measured "
        "(cannot measure by http://127.0.0.1:1/errors: Connection refused); all traffic is on v1. "
        "Fix the cause and push, or revert the commit.",
        {"rollout.yaml": rollout(ANALYSIS, "example/web:v2"), "probe.yaml": PROBE},
        heals={"rollout.yaml": rollout(), "probe.yaml": None},
    ),
}


async def app_get(place: Place, name: str) -> str:
    """What a user reads at the end of `shipway app get`."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "shipway.cli.main", "app", "get", name, f"--kubeconfig={place.cluster.kubeconfig}"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env=environment(place.home),
    )
    out, _ = await asyncio.wait_for(process.communicate(), 90)
    return out.decode().rstrip("\n").rpartition("\n")[2]


async def push(place: Place, files: Files, calm: str) -> str:
    """One commit that changes the first Application as told, and the second one too."""
    return await place.push({**{f"deploy/{name}": text for name, text in files.items()}, "calm/banner.yaml": config_map(calm)})


async def edit(place: Place, source: dict[str, object]) -> None:
    if source:
        source = {key: place.copy.url if value == "#" else value for key, value in source.items()}
        await place.client.patch(APPLICATIONS, "argocd", "shop", {"spec": {"source": source}})


def well_at(commit: str):
    return lambda app: synced_to(commit)(app) and dig(app, "status", "health", "status") == "Healthy"


def ailing(app: Obj) -> bool:
    return bool(dig(app, "status", "conditions")) or dig(app, "status", "health", "status") == "Degraded"


async def live(place: Place) -> dict[str, Obj]:
    """Everything in the namespace, but for what controllers go on to say of it."""
    return {
        f"{kind.plural}/{name_of(one)}": stated(one) for kind in LIVE for one in (await place.client.list(kind, "shop")).items
    }


def stated(obj: Obj) -> Obj:
    metadata = {key: value for key, value in obj["metadata"].items() if key not in ("resourceVersion", "managedFields")}
    return {**obj, "metadata": metadata, "status": None}


@pytest.mark.parametrize("name", CASES)
async def test_bad_input_is_said_touches_nothing_and_heals(place: Place, name: str) -> None:
    case = CASES[name]
    head = await push(place, case.good, "one")
    async with place.run() as running:
        await running.ready()
        place.git.notify(f"{running.url}/api/webhook", "")
        await place.deliver_app()
        await place.client.create(APPLICATIONS, application("calm", place.copy.url, "calm", destination=CALM))
        await app_is(place.client, "calm", well_at(head))
        await app_is(place.client, "shop", well_at(head))
        before = await live(place)

        await edit(place, case.bad_source)
        head = await push(place, case.bad, "two")
        await app_is(place.client, "shop", ailing)
        await app_is(place.client, "calm", well_at(head))
        await comes_to(case.says.replace("@", head[:7]).replace("#", place.copy.url), lambda: app_get(place, "shop"))
        after = await live(place)
        assert {name: after.get(name) for name in before} == before

        await edit(place, case.good_source)
        head = await push(place, case.heals, "three")
        await app_is(place.client, "shop", well_at(head))
        await comes_to(f"shop is Synced to {head[:7]} and Healthy.", lambda: app_get(place, "shop"))
