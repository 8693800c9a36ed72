"""Where the files of a service go, and what its sources say then."""

import pytest

from shipway.base.errors import InvalidInput
from shipway.gitops.relocation.layout import Home, Layout, Member, Read, ValueFiles, layout, value_notes
from shipway.kube.objects.resource import Obj

HOME = Home("https://git.test/web.git", "main")
CENTRAL = "https://git.test/central"
CHART = {"charts/common/Chart.yaml": b"name: common", "charts/common/templates/web.yaml": b"kind: Deployment"}


def member(environment: str, *pairs: tuple[Obj, Read], name: str = "web") -> Member:
    sources = [source for source, _ in pairs]
    said = {"sources": sources} if len(sources) > 1 else {"source": sources[0]}
    return Member({"metadata": {"name": f"{name}-{environment}"}, "spec": said}, environment, tuple(read for _, read in pairs))


def source(path: str = "", *values: str, **more: object) -> Obj:
    helm: Obj = {"helm": {"valueFiles": list(values)}} if values else {}
    return {"repoURL": CENTRAL, "path": path, "targetRevision": "v3", **helm, **more}


def central(tool: str, path: str, *files: str, values: tuple[ValueFiles, ...] = (), **more: bool) -> Read:
    return Read(tool, True, path, {file: file.encode() for file in files}, values, **more)  # type: ignore[arg-type]


def value(raw: str, *names: str) -> ValueFiles:
    return ValueFiles(raw, tuple((name, name.encode()) for name in names))


def shared(environment: str) -> Member:
    names = ("values/global.yaml", f"values/{environment}/web.yaml")
    values = tuple(value(f"../../{name}", name) for name in names)
    helm = source("charts/common", *(one.raw for one in values))
    return member(environment, (helm, Read("Helm", True, "charts/common", CHART, values)))


def laid(*members: Member, others: frozenset[str] = frozenset()) -> Layout:
    return layout("web", members, HOME, others)


def test_a_shared_chart_is_copied_and_value_files_lie_beside_it() -> None:
    found = laid(shared("staging"), shared("production"))
    assert sorted(found.files) == [
        "charts/web/Chart.yaml",
        "charts/web/templates/web.yaml",
        "charts/web/values-global.yaml",
        "charts/web/values-production.yaml",
        "charts/web/values-staging.yaml",
    ]
    assert found.files["charts/web/values-staging.yaml"] == b"values/staging/web.yaml"
    assert found.sources[0] == (
        {
            "repoURL": HOME.repo_url,
            "path": "charts/web",
            "targetRevision": "main",
            "helm": {"valueFiles": ["values-global.yaml", "values-staging.yaml"]},
        },
    )


def test_value_files_inside_of_the_chart_stay_where_they_are_in_it() -> None:
    values = (value("env/staging.yaml", "apps/web/env/staging.yaml"), value("values.yaml", "apps/web/values.yaml"))
    read = central(
        "Helm", "apps/web", "apps/web/Chart.yaml", "apps/web/env/staging.yaml", "apps/web/values.yaml", values=values
    )
    found = laid(member("staging", (source("apps/web", "env/staging.yaml", "values.yaml"), read)))
    assert sorted(found.files) == ["charts/web/Chart.yaml", "charts/web/env/staging.yaml", "charts/web/values.yaml"]
    assert found.sources[0][0]["helm"] == {"valueFiles": ["env/staging.yaml", "values.yaml"]}


def test_what_others_alone_read_of_a_shared_chart_is_left_behind() -> None:
    files = [
        "Chart.yaml",
        "values.yaml",
        "web.yaml",
        "pay.yaml",
        ".argocd-source-pay-staging.yaml",
        ".argocd-source-web-staging.yaml",
    ]
    paths = [f"charts/common/{file}" for file in files]
    others = frozenset({"charts/common/pay.yaml", "charts/common/values.yaml", "charts/common/web.yaml"})

    def kept(*, is_open: bool) -> list[str]:
        read = central("Helm", "charts/common", *paths, values=(value("web.yaml", "charts/common/web.yaml"),), is_open=is_open)
        found = laid(member("staging", (source("charts/common", "web.yaml"), read)), others=others)
        return [path.removeprefix("charts/web/") for path in found.files]

    assert kept(is_open=False) == ["Chart.yaml", "values.yaml", "web.yaml", ".argocd-source-web-staging.yaml"]
    assert kept(is_open=True) == ["Chart.yaml", "values.yaml", "web.yaml", "pay.yaml", ".argocd-source-web-staging.yaml"]


def test_a_neighbour_of_the_chart_stays_its_neighbour_or_is_refused() -> None:
    read = central("Helm", "charts/common", "charts/common/Chart.yaml", "charts/lib/Chart.yaml")
    assert sorted(laid(member("staging", (source("charts/common"), read))).files) == [
        "charts/lib/Chart.yaml",
        "charts/web/Chart.yaml",
    ]
    deep = central("Helm", "a/b/c/d", "a/b/c/d/Chart.yaml", "lib/Chart.yaml")
    with pytest.raises(InvalidInput, match=r"lib/Chart.yaml would lie outside of the service's repository"):
        laid(member("staging", (source("a/b/c/d"), deep)))


def test_plain_manifests_have_a_folder_for_each_environment() -> None:
    members = [
        member(env, (source(f"apps/web/{env}"), central("Directory", f"apps/web/{env}", f"apps/web/{env}/all.yaml")))
        for env in ("staging", "production")
    ]
    found = laid(*members)
    assert sorted(found.files) == ["charts/web/production/all.yaml", "charts/web/staging/all.yaml"]
    assert [one["path"] for (one,) in found.sources] == ["charts/web/staging", "charts/web/production"]


def test_kustomizations_lie_to_one_another_as_they_did() -> None:
    base = ("apps/web/base/kustomization.yaml", "shared/labels/kustomization.yaml")
    members = [
        member(
            env,
            (
                source(f"apps/web/overlays/{env}"),
                central("Kustomize", f"apps/web/overlays/{env}", f"apps/web/overlays/{env}/k.yaml", *base),
            ),
        )
        for env in ("staging", "production")
    ]
    found = laid(*members)
    assert [one["path"] for (one,) in found.sources] == [
        "charts/web/apps/web/overlays/staging",
        "charts/web/apps/web/overlays/production",
    ]
    assert "charts/web/shared/labels/kustomization.yaml" in found.files
    own = central("Kustomize", "apps/web/overlays/staging", "apps/web/overlays/staging/k.yaml", "apps/web/base/k.yaml")
    found = laid(member("staging", (source("apps/web/overlays/staging"), own)))
    assert sorted(found.files) == ["charts/web/base/k.yaml", "charts/web/overlays/staging/k.yaml"]


def test_a_chart_of_a_registry_keeps_its_place_and_its_values_move() -> None:
    chart = source(
        chart="redis", repoURL="https://charts.test", helm={"valueFiles": ["$values/apps/web/staging.yaml", "own.yaml"]}
    )
    values = (value("$values/apps/web/staging.yaml", "$values/apps/web/staging.yaml"), ValueFiles("own.yaml", None))
    found = laid(member("staging", (chart, Read("Helm", False, "", {}, values)), (source(ref="values"), Read("", True))))
    assert found.files == {"charts/web/values-staging.yaml": b"$values/apps/web/staging.yaml"}
    assert found.sources[0][0] == {**chart, "helm": {"valueFiles": ["$values/charts/web/values-staging.yaml", "own.yaml"]}}
    assert found.sources[0][1] == {"repoURL": HOME.repo_url, "path": "", "targetRevision": "main", "ref": "values"}


def test_a_second_folder_has_a_place_of_its_own() -> None:
    extra = central("Directory", "apps/web/extra", "apps/web/extra/all.yaml")
    chart = Read("Helm", True, "charts/common", CHART)
    found = laid(member("staging", (source("charts/common"), chart), (source("apps/web/extra"), extra)))
    assert [one["path"] for one in found.sources[0]] == ["charts/web", "charts/web-2"]
    assert "charts/web-2/all.yaml" in found.files


def test_patterns_become_the_files_that_they_meant_and_what_is_missing_goes() -> None:
    values = (value("../../v/*.yaml", "v/a.yaml", "v/b.yaml"), value("../../v/no.yaml"))
    read = Read("Helm", True, "charts/common", CHART, values)
    found = laid(member("staging", (source("charts/common", "../../v/*.yaml", "../../v/no.yaml"), read)))
    assert found.sources[0][0]["helm"]["valueFiles"] == ["values-a.yaml", "values-staging.yaml"]
    assert list(value_notes([read])) == [
        "../../v/*.yaml became the files that it meant: a new one has to be named",
        "../../v/no.yaml is not there, so it is not named any more",
    ]


def test_one_place_cannot_say_two_things() -> None:
    other = Read("Helm", True, "charts/common", {**CHART, "charts/common/Chart.yaml": b"name: newer"})
    with pytest.raises(InvalidInput, match=r"charts/common/Chart.yaml says two things where charts/web/Chart.yaml says one"):
        laid(shared("staging"), member("production", (source("charts/common"), other)))
