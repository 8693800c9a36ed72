"""Value files out of another source of the application (`$ref/path`): real repositories, and only what is read counts."""

from typing import Any

import pytest

from shipway.api.sources import HeadRequest, Lent, RenderRequest
from shipway.base.errors import InvalidInput
from tests.contract.sources.rendering import Bench, only
from tests.repository import seed

CHART = {
    "chart/Chart.yaml": "apiVersion: v2\nname: shop\nversion: 0.1.0\n",
    "chart/values.yaml": "a: chart\nb: chart\n",
    "chart/templates/config.yaml": (
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\n"
        "data: {a: {{ .Values.a | quote }}, b: {{ .Values.b | quote }}, text: {{ .Values.text | quote }}}\n"
    ),
}
VALUES = {
    "env/prod/shop.yaml": "a: prod\n",
    "env/prod/zone.yaml": "b: prod\n",
    "env/app.yaml": "a: app\n",
    "notice.txt": "hello",
    "README.md": "nothing of interest\n",
}


@pytest.fixture
async def bench(tmp_path):
    made = Bench(tmp_path, CHART)
    yield made
    await made.close()


@pytest.fixture
def values(tmp_path, bench):
    return seed(tmp_path, "values", dict(VALUES))


async def request(bench: Bench, url: str, **helm: Any) -> RenderRequest:
    base = await bench.request({"path": "chart", "helm": helm}, build_env=(("ARGOCD_APP_NAME", "app"),))
    memory = b'{"ref": "values"}' + base.source
    head = await bench.mirrors.head(HeadRequest(url, "main", memory))
    lent = Lent("values", url, head.trees, memory)
    return RenderRequest(
        **{name: getattr(base, name) for name in base.__struct_fields__ if name != "lent"},
        lent=(lent,),
    )


async def data_of(bench: Bench, url: str, **helm: Any) -> dict[str, str]:
    return only(await bench.renderer.render(await request(bench, url, **helm)), "ConfigMap")["data"]


@pytest.mark.parametrize(
    ("helm", "expected"),
    [
        ({"valueFiles": ["$values/env/prod/shop.yaml"]}, {"a": "prod", "b": "chart"}),
        ({"valueFiles": ["$values/env/prod/*.yaml"]}, {"a": "prod", "b": "prod"}),
        ({"valueFiles": ["$values/env/$ARGOCD_APP_NAME.yaml"]}, {"a": "app", "b": "chart"}),
        (
            {"valueFiles": ["$values/none.yaml", "values.yaml"], "ignoreMissingValueFiles": True},
            {"a": "chart", "b": "chart"},
        ),
        ({"fileParameters": [{"name": "text", "path": "$values/notice.txt"}]}, {"text": "hello"}),
    ],
    ids=["file", "glob", "variable", "missing-allowed", "file-parameter"],
)
@pytest.mark.compat("argocd:spec.source.ref", "argocd:helm.valueFiles")
async def test_values_of_another_source(bench, values, helm, expected):
    found = await data_of(bench, values[1], **helm)
    assert {key: found[key] for key in expected} == expected


@pytest.mark.parametrize(
    ("path", "reason", "words"),
    [
        ("$values/none.yaml", "MissingValueFile", "$values/none.yaml"),
        ("$other/x.yaml", "UnknownRef", "spec.sources"),
        ("$values/../../etc/passwd", "PathEscapes", "leaves the repository"),
    ],
)
@pytest.mark.compat("argocd:spec.source.ref")
async def test_what_another_source_does_not_have_is_named(bench, values, path, reason, words):
    with pytest.raises(InvalidInput) as caught:
        await data_of(bench, values[1], valueFiles=[path])
    assert caught.value.reason == reason
    assert words in caught.value.message


async def test_only_what_was_read_of_the_other_source_makes_a_new_render(bench, values):
    copy, url = values
    helm = {"valueFiles": ["$values/env/prod/shop.yaml"]}
    await data_of(bench, url, **helm)
    before = await request(bench, url, **helm)
    assert [tree.path for tree in before.lent[0].trees] == ["env/prod/shop.yaml"]
    copy.commit({"README.md": "changed\n", "env/app.yaml": "a: other\n"})
    copy.push()
    bench.mirrors.changed(url)
    assert await request(bench, url, **helm) == before
    await bench.renderer.render(before)
    assert bench.renderer.renders == {"app": 1}
    copy.commit({"env/prod/shop.yaml": "a: newer\n"})
    copy.push()
    bench.mirrors.changed(url)
    assert (await data_of(bench, url, **helm))["a"] == "newer"
    assert bench.renderer.renders == {"app": 2}


async def test_a_source_whose_files_nobody_reads_is_no_news(bench, values):
    copy, url = values
    await data_of(bench, url)
    before = await request(bench, url)
    assert before.lent[0].trees == ()
    copy.commit({"env/app.yaml": "a: other\n"})
    copy.push()
    bench.mirrors.changed(url)
    assert await request(bench, url) == before
