"""Laws of moving out of a central repository: whatever the values and their order, every Application reads what it read."""

import posixpath

from hypothesis import given
from hypothesis import strategies as st

from shipway.gitops.relocation.layout import Home, Layout, Member, Read, ValueFiles, layout
from shipway.kube.objects.resource import Obj

HOME = Home("https://git.test/web.git", "main")
CHARTS = ("charts/common", "apps/web", "")
NAMES = st.sampled_from(["values.yaml", "values-staging.yaml", "global.yaml", "web.yml", "base.json"])
FOLDERS = st.sampled_from(["", "values", "values/staging", "values/prod", "apps/web", "charts/common", "charts/common/env"])
PATHS = st.builds(posixpath.join, FOLDERS, NAMES)


@st.composite
def members(draw: st.DrawFn) -> list[Member]:
    is_one = draw(st.booleans())
    shared = draw(st.sampled_from(CHARTS))
    return [_member(draw, env, shared if is_one else draw(st.sampled_from(CHARTS))) for env in ("prod", "staging")]


def _member(draw: st.DrawFn, environment: str, path: str) -> Member:
    listed = draw(st.lists(PATHS, max_size=5))
    inside = {name for name in ("Chart.yaml", "values.yaml", "templates/all.yaml", "env/values.yaml")}
    chart = {posixpath.join(path, name) for name in inside}
    chart |= {name for name in listed if not path or name.startswith(f"{path}/")}
    is_lent = draw(st.booleans())
    shown = [f"$central/{name}" if is_lent and draw(st.booleans()) else name for name in listed]
    raw = [name if name.startswith("$") else posixpath.relpath(name, path or ".") for name in shown]
    values = tuple(ValueFiles(r, ((name, _text(name)),)) for r, name in zip(raw, shown, strict=True))
    source: Obj = {"repoURL": "central", "path": path, "helm": {"valueFiles": raw}}
    read = Read("Helm", True, path, {name: _text(name) for name in chart}, values, draw(st.booleans()))
    lender: Obj = {"repoURL": "central", "ref": "central"}
    app = {"metadata": {"name": f"web-{environment}"}, "spec": {"sources": [source, lender]}}
    return Member(app, environment, (read, Read("", True)))


def _text(name: str) -> bytes:
    return name.removeprefix("$central/").encode()


def _said(laid: Layout, source: Obj) -> list[bytes]:
    """What a source reads, in the order of its value files."""
    names = [str(name) for name in source["helm"]["valueFiles"]]
    full = [
        name.removeprefix("$central/") if name.startswith("$") else posixpath.normpath(posixpath.join(source["path"], name))
        for name in names
    ]
    return [laid.files[name] for name in full]


@given(members(), st.frozensets(PATHS))
def test_every_application_reads_what_it_read_in_the_same_order(given: list[Member], others: frozenset[str]) -> None:
    laid = layout("web", given, HOME, others)
    for member, (source, lender) in zip(given, laid.sources, strict=True):
        read = member.reads[0]
        assert _said(laid, source) == [content for entry in read.values for _, content in entry.files or ()]
        for name in ("Chart.yaml", "values.yaml", "templates/all.yaml"):
            assert laid.files[f"{source['path']}/{name}"] == _text(posixpath.join(read.path, name)), "the chart is whole"
        assert lender["repoURL"] == source["repoURL"] == HOME.repo_url
    assert all(name.startswith("charts/web") and ".." not in name for name in laid.files)
    assert laid == layout("web", given, HOME, others)
