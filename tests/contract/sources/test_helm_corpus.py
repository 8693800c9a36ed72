"""Charts of all kinds, rendered by the `helm` program and by the library in the worker: equal objects, equal refusals.

The charts lie in `tests/golden/charts`, one folder for each thing that charts do. Every case goes through the whole renderer, a
Git mirror included.
"""

from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from shipway.base.errors import InvalidInput
from shipway.kube.objects.resource import Obj
from tests.contract.sources.rendering import Bench

CHARTS = Path(__file__).parents[2] / "golden" / "charts"


def sets(**values: str) -> dict[str, Any]:
    return {"parameters": [{"name": name.replace("__", "."), "value": value} for name, value in values.items()]}


CASES: dict[str, tuple[str, dict[str, Any], set[str]]] = {
    "umbrella": ("umbrella", {}, {"app-cache", "app-database", "app-mail", "app-queue", "app-umbrella"}),
    "a tag off": ("umbrella", sets(tags__backend="false"), {"app-database", "app-mail", "app-umbrella"}),
    "a condition over a tag": (
        "umbrella",
        sets(tags__backend="false", cache__enabled="true"),
        {"app-cache", "app-database", "app-mail", "app-umbrella"},
    ),
    "the second path of a condition": (
        "umbrella",
        sets(global__cache="false"),
        {"app-database", "app-mail", "app-queue", "app-umbrella"},
    ),
    "values for an alias": ("umbrella", {"valuesObject": {"mail": {"name": "x"}, "global": {"tier": None}}}, {"app-mail"}),
    "library": ("library", {}, {"app"}),
    "library values": ("library", sets(common__port="9090", labels__app="api"), {"app"}),
    "hooks": ("hooks", {}, {"pre-install", "post-delete", "pre-rollback", "kept", "both"}),
    "crds": ("crds", {}, {"things.example.com", "boxes.example.com", "workers.example.com", "first", "operator"}),
    "crds skipped": ("crds", {"skipCrds": True}, {"first", "operator"}),
    "crds of a subchart that is off": ("crds", sets(operator__enabled="false"), {"things.example.com", "first"}),
    "crds of a template": ("crds", {**sets(templated="true"), "skipCrds": True}, {"extras.example.com"}),
    "lookup": ("lookup", {}, {"password"}),
    "tpl": ("tpl", {"releaseName": "long-release"}, {"long-release-tpl", "long-release-block"}),
    "tpl in values": ("tpl", {"valuesObject": {"host": "{{ .Chart.Name }}.test"}}, {"app-tpl"}),
    "files": ("files", {}, {"files"}),
    "capabilities": ("capabilities", {}, {"capabilities"}),
    "capabilities told": (
        "capabilities",
        {"kubeVersion": "v1.28.4", "apiVersions": ["v1", "policy/v1beta1", "monitoring.coreos.com/v1/ServiceMonitor"]},
        {"capabilities"},
    ),
    "capabilities of a distribution": ("capabilities", {"kubeVersion": "v1.33.1+k3s1"}, {"capabilities"}),
    "schema": ("schema", {}, {"web", "strict"}),
    "schema skipped": ("schema", {**sets(replicas="0"), "skipSchemaValidation": True}, {"web", "strict"}),
    "names": ("names", {}, {"app-names"}),
    "names overridden": ("names", {"releaseName": "names", **sets(fullnameOverride="mine")}, {"mine"}),
    "notes": ("notes", {}, {"notes", "sub"}),
    "numbers": ("numbers", {}, {"numbers", "bare"}),
    "numbers in parameters": (
        "numbers",
        sets(big="0777", octal="1234567890", float="1e3", million="1000000", truth="null", off="0x1F", small="-0"),
        {"numbers", "bare"},
    ),
    "numbers in lists, of subcharts and globals": (
        "umbrella",
        sets(
            **{
                "cache.size": "1234567",
                "cache.many[0]": "7654321",
                "cache.many[1].n": "7654321",
                "mail.workers": "{1000000,x}",
                "global.port": "10000000",
                "global.{weird}\\.key": "2000000",
            }
        ),
        {"app-cache", "app-mail"},
    ),
    "numbers as text": (
        "numbers",
        {"parameters": [{"name": n, "value": "1234567890", "forceString": True} for n in ("big", "octal", "nested.map.1")]},
        {"numbers", "bare"},
    ),
    "numbers in value files": ("numbers", {"values": "big: 0777\nwhole: 1e6\noctal: '1e3'\ndate: 2020-01-01\n"}, {"numbers"}),
    "ranges": ("ranges", {}, {"map-a", "map-m", "map-z", "empty", "chains"}),
    "ranges over nothing": ("ranges", {"valuesObject": {"map": None, "list": None}}, {"empty", "chains"}),
    "documents": ("documents", {}, {"strings", "in-list-1", "in-list-2", "json", "anchors", "windows", "yml"}),
    "requirements.yaml": ("first", {}, {"app", "old"}),
    "requirements.yaml with tags": ("first", sets(tags__aged="true", old__enabled="false"), {"app", "older"}),
    "functions": ("functions", {}, {"functions"}),
    "what a chart requires": ("refusals", sets(host="shop.test"), {"refusals"}),
}
"""Chart, options, and names that must be among what comes out."""

ONLY_HELM_4 = {"capabilities of a distribution"}
"""Helm 3 takes what follows the number (`+k3s1`) away from the version that it is told."""

REFUSED: dict[str, tuple[str, dict[str, Any], str]] = {
    "required": ("refusals", {}, "host: say where the shop is reached"),
    "fail": ("refusals", sets(host="x", replicas="12"), "replicas: 12 are too many for app"),
    "a nil in between": ("refusals", sets(host="x", mode="nil"), "nil pointer evaluating interface"),
    "a wrong type": ("refusals", sets(host="x", mode="type", replicas="2"), "wrong type for value; expected string"),
    "a name that is nowhere": ("refusals", sets(host="x", mode="include"), "refusals.nowhere"),
    "no YAML": ("refusals", sets(host="x", mode="yaml"), "refusals/templates/x.yaml"),
    "a schema": ("schema", sets(replicas="0"), "replicas"),
    "the schema of a subchart": ("schema", sets(strict__port="70000"), "port"),
    "a library": ("library/charts/common", {}, "library charts are not installable"),
    "an old cluster": ("capabilities", {"kubeVersion": "1.19.0"}, ">=1.25.0-0"),
}


def content() -> dict[str, str | bytes]:
    return {str(file.relative_to(CHARTS)): file.read_bytes() for file in CHARTS.rglob("*") if file.is_file()}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def benches(
    tmp_path_factory: pytest.TempPathFactory, program: Callable[[str], str]
) -> AsyncGenerator[dict[str, Bench], None]:
    """One repository of all charts for each way to render them; "" is the library."""
    made = {
        way: Bench(tmp_path_factory.mktemp(way or "library"), content(), helm=way and program(way))
        for way in ("", "helm", "helm3")
    }
    yield made
    for bench in made.values():
        await bench.close()


async def rendered(bench: Bench, chart: str, options: dict[str, Any]) -> list[Obj]:
    made = await bench.render({"path": chart, "helm": options}, kube_version="v1.31.0", api_versions=("v1", "policy/v1"))
    return sorted(made.objects, key=lambda obj: (obj["kind"], obj["metadata"]["name"]))


def names_of(objects: list[Obj]) -> set[str]:
    return {obj["metadata"]["name"] for obj in objects}


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.proves("002-06", "gitops:helm-corpus")
@pytest.mark.parametrize("case", CASES)
async def test_the_library_gives_what_the_program_gives(benches: dict[str, Bench], case: str) -> None:
    chart, options, expected = CASES[case]
    found = await rendered(benches[""], chart, options)
    assert found == await rendered(benches["helm"], chart, options)
    assert expected <= names_of(found)
    assert not names_of(found) & {"check", "test", "no-object", "Never"}


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.proves("002-06", "gitops:helm-corpus")
@pytest.mark.parametrize("case", REFUSED)
async def test_both_refuse_with_the_chart_s_own_words(benches: dict[str, Bench], case: str) -> None:
    chart, options, words = REFUSED[case]
    for way in ("", "helm"):
        with pytest.raises(InvalidInput) as caught:
            await rendered(benches[way], chart, options)
        assert words in caught.value.message, way
        assert "/tmp" not in caught.value.message


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("case", sorted(CASES.keys() - ONLY_HELM_4))
async def test_helm_3_gives_what_helm_4_gives(benches: dict[str, Bench], case: str) -> None:
    chart, options, _ = CASES[case]
    assert await rendered(benches["helm3"], chart, options) == await rendered(benches["helm"], chart, options)
