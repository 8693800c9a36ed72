"""`shipway report values` over real charts and folders in Git."""

from pathlib import Path
from typing import Any

import orjson
import pytest

from shipway.api.kinds import APP_PROJECTS, APPLICATIONS
from shipway.cli.report import report_values
from tests.repository import seed
from tests.unit.cli.conftest import Shop
from tests.unit.cli.objects import application
from tests.unit.cli.test_app_diff import PROJECT

CONFIG = """\
apiVersion: v1
kind: ConfigMap
metadata: {name: {{ .Release.Name }}}
data: {DB_HOST: {{ .Values.db.host }}, REPLICAS: {{ .Values.replicas | quote }}}
"""
FILES: dict[str, str | bytes | None] = {
    "web/Chart.yaml": "apiVersion: v2\nname: web\nversion: 1.0.0\n",
    "web/templates/web.yaml": CONFIG,
    "web/values.yaml": "replicas: 1\ndb: {host: none, port: 5432}\n",
    "web/production.yaml": "db: {host: db.shop}\nreplicas: 1\ncolour: red\n",
    "plain/config.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: plain}\ndata: {DB_HOST: db.shop}\n",
    "whole/Chart.yaml": "apiVersion: v2\nname: whole\nversion: 1.0.0\n",
    "whole/templates/x.yaml": "{{- $all := .Values }}\n",
    "whole/values.yaml": "left: over\n",
}


@pytest.fixture
async def apps(shop: Shop, tmp_path: Path) -> list[Any]:
    _, url = seed(tmp_path, "shop", dict(FILES))
    await shop.create(APP_PROJECTS, PROJECT)
    for name in ("plain", "web", "whole", "nowhere"):
        app = application(name)
        app["spec"]["source"] = {"repoURL": url, "path": name, "targetRevision": "main"}
        if name == "web":
            app["spec"]["source"]["helm"] = {"valueFiles": ["production.yaml"]}
        await shop.create(APPLICATIONS, app)
    return (await shop.client.list(APPLICATIONS, "argocd")).items


@pytest.mark.proves("002-12")
async def test_what_is_said_twice_overridden_or_for_nobody(
    shop: Shop, apps: list[Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await report_values(shop.session, apps, 2, "json", tmp_path / "cache") == 0
    out, err = capsys.readouterr()
    found = orjson.loads(out)
    assert err.startswith("argocd/nowhere is left out: ") and len(err.splitlines()) == 1
    assert found["kind"] == "ValueReport"
    assert found["duplicated"] == [{"key": "DB_HOST", "value": "db.shop", "services": ["argocd/plain", "argocd/web"]}]
    by = {"service": "argocd/web", "by": "web/production.yaml"}
    assert found["overridden"] == [
        {**by, "key": "db.host", "default": "none", "value": "db.shop", "saysTheSame": False},
        {**by, "key": "replicas", "default": "1", "value": "1", "saysTheSame": True},
    ]
    assert found["unused"] == [{**by, "key": "colour"}, {**by, "key": "db.port", "by": "web/values.yaml"}]


async def test_the_tables_and_the_names(
    shop: Shop, apps: list[Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    chosen = [one for one in apps if one["metadata"]["name"] in ("plain", "web")]
    assert await report_values(shop.session, chosen, 3, "table", tmp_path / "cache") == 0
    out = capsys.readouterr().out
    assert "Said alike by 3 or more: none\n" in out and "Defaults that are overridden: 2\n" in out
    assert "Asked for by no template: 2\n" in out and "the same" in out
    assert await report_values(shop.session, chosen, 2, "name", tmp_path / "cache") == 0
    assert capsys.readouterr().out == "DB_HOST\n"
