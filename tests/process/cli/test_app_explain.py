"""Values by environment and cluster: what the layers render to, and which file wins."""

from pathlib import Path
from typing import Any

import orjson
import pytest

from shipway.api.kinds import APP_PROJECTS, APPLICATIONS
from shipway.assembly.planning import manifests
from shipway.base.errors import NotFound
from shipway.cli.app_explain import explain
from shipway.kube.objects.views import dig
from tests.repository import seed
from tests.unit.cli.conftest import Shop
from tests.unit.cli.objects import application
from tests.unit.cli.test_app_diff import PROJECT

TEMPLATE = """\
apiVersion: v1
kind: ConfigMap
metadata: {name: web}
data:
  replicas: {{ .Values.replicas | quote }}
  level: {{ .Values.log.level | quote }}
  format: {{ .Values.log.format | quote }}
  tag: {{ .Values.image.tag | quote }}
"""
FILES = {
    "web/Chart.yaml": "apiVersion: v2\nname: web\nversion: 1.0.0\n",
    "web/templates/web.yaml": TEMPLATE,
    "web/values.yaml": "replicas: 1\nlog: {level: info, format: json}\nimage: {tag: none}\n",
    "web/staging.yaml": "log: {level: debug}\n",
    "web/production.yaml": "replicas: 3\n",
    "web/production-eu.yaml": "replicas: 5\n",
}
GOLDEN = {
    (): {"replicas": "1", "level": "info", "format": "json"},
    ("staging",): {"replicas": "1", "level": "debug", "format": "json"},
    ("production",): {"replicas": "3", "level": "info", "format": "json"},
    ("production", "production-eu"): {"replicas": "5", "level": "info", "format": "json"},
}


async def chart_in_git(shop: Shop, folder: Path, *layers: str) -> None:
    """The chart with its own values, then the environment's, then the cluster's, and the tag as a parameter."""
    _, url = seed(folder, "shop", dict(FILES))
    app = application()
    helm: dict[str, Any] = {
        "valueFiles": [f"{one}.yaml" for one in layers],
        "parameters": [{"name": "image.tag", "value": "v7"}],
    }
    app["spec"]["source"] |= {"repoURL": url, "helm": helm}
    await shop.create(APP_PROJECTS, PROJECT)
    await shop.create(APPLICATIONS, app)


@pytest.mark.proves("001-32")
@pytest.mark.parametrize("layers", GOLDEN)
async def test_base_gives_way_to_environment_and_that_to_cluster(shop: Shop, tmp_path: Path, layers: tuple[str, ...]) -> None:
    await chart_in_git(shop, tmp_path, *layers)
    (rendered,) = await manifests(shop.client, await shop.app("shop"), tmp_path / "cache")
    assert rendered["data"] == {**GOLDEN[layers], "tag": "v7"}


@pytest.mark.proves("001-32")
async def test_the_file_that_wins_is_named_first(shop: Shop, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    await chart_in_git(shop, tmp_path, "production", "production-eu")
    assert await explain(shop.session, "shop", "replicas", "json", tmp_path / "cache") == 0
    found = orjson.loads(capsys.readouterr().out)["items"]
    assert [(one["from"], one["value"], one["wins"]) for one in found] == [
        ("web/production-eu.yaml", 5, True),
        ("web/production.yaml", 3, False),
        ("web/values.yaml", 1, False),
    ]
    assert await explain(shop.session, "shop", "image.tag", "name", tmp_path / "cache") == 0
    assert capsys.readouterr().out == "spec.source.helm.parameters (image.tag)\n"
    assert await explain(shop.session, "shop", "log", "table", tmp_path / "cache") == 0
    assert "web/values.yaml" in capsys.readouterr().out
    with pytest.raises(NotFound, match=r"nothing says log\.colour"):
        await explain(shop.session, "shop", "log.colour", "table", tmp_path / "cache")
    assert dig((await shop.app("shop")), "spec", "source", "helm", "valueFiles") == ["production.yaml", "production-eu.yaml"]
