"""Templates as users of ApplicationSets write them."""

from typing import Any

import pytest

from shipway.adapters.templates import worker
from shipway.base.errors import InvalidInput

PARAMS = {"name": "Ab", "n": 3, "big": 1234567890, "m": {"a": 1}, "l": ["x", "y"], "nothing": None, "path": {"basename": "web"}}


def filled(template: Any, params: dict[str, Any], *options: str, go: bool = True, patch: str = "") -> Any:
    job = {"template": template, "go": go, "options": list(options), "patch": patch, "library": False, "entries": [params]}
    (one,) = worker.render(job)
    return one.get("ok", f"error: {one.get('error')}")


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("{{.path.basename}}-{{ .name | lower }}", "web-ab"),
        ("{{.missing}}", "<no value>"),
        ("{{ .n }} {{ .big }} {{ .m }}", "3 1.23456789e+09 map[a:1]"),
        ("{{range $i, $e := .l}}{{$i}}{{$e}}{{end}}", "0x1y"),
        ('{{ .missing | default "q" }}', "q"),
        ("{{ index .l 1 }}", "y"),
        ('{{ normalize "Team/A_b." }}', "team-a-b"),
        ('{{ slugify "Feature/Größe & more" }}', "feature-grosse-and-more"),
        ('{{ slugify 12 true "feature hello world" }}', "feature"),
        ("{{ .m | toYaml }}", "a: 1"),
        ('{{ (fromYaml "a: {b: [1, 2]}").a.b }}', "[1 2]"),
        ('{{ index (fromYamlArray "[x, z]") 1 }}', "z"),
        ("{{ if .m.a }}yes{{ else }}no{{ end }}", "yes"),
    ],
)
@pytest.mark.compat("argocd:appset.goTemplate")
def test_go_templates_say_what_go_says(template: str, text: str) -> None:
    assert filled(template, PARAMS) == text


@pytest.mark.parametrize(
    ("template", "options", "told"),
    [
        ("{{.missing.x}}", (), "nil pointer evaluating interface {}.x"),
        ("{{.a.b.c}}", (), "nil pointer evaluating interface {}.b"),
        ("{{.nothing.x}}", (), "nil pointer evaluating interface {}.x"),
        ("{{$x := .missing}}{{$x.y}}", (), "nil pointer evaluating interface {}.y"),
        ("{{.missing}}", ("missingkey=error",), "missing"),
        ("{{.name.upper}}", (), "can't evaluate field upper in type string"),
        ('{{ env "HOME" }}', (), "env"),
        ('{{ repeat 100000000 "a" }}', (), "more than 1,000,000"),
        ("{{ range until 100000000 }}x{{ end }}", (), "more than 1,000,000"),
        ("{{ .name ", (), "template"),
        ("{{ range $i := until 60000 }}x{{ end }}", (), "budget"),
    ],
)
@pytest.mark.compat("argocd:appset.goTemplate")
def test_what_go_refuses_is_refused(template: str, options: tuple[str, ...], told: str) -> None:
    assert told in str(filled(template, PARAMS, *options))
    assert str(filled(template, PARAMS, *options)).startswith("error: ")


def test_an_unknown_option_is_refused_whatever_the_parameters() -> None:
    with pytest.raises(InvalidInput, match="unrecognized option missingkey=maybe"):
        filled("{{.name}}", PARAMS, "missingkey=maybe")


@pytest.mark.parametrize(
    ("template", "value"),
    [
        ("{{name}}-{{ path.basename }}", "ab-web"),
        ("{{unknown}} stays", "{{unknown}} stays"),
        ({"{{name}}": ["{{name}}", 3, True, None]}, {"ab": ["ab", 3, True, None]}),
        ("open {{name", "error: Cannot find end tag '}}' in the template 'open {{name'"),
    ],
)
@pytest.mark.compat("argocd:appset.fasttemplate")
def test_the_simple_kind_replaces_names_and_leaves_what_it_does_not_know(template: Any, value: Any) -> None:
    assert filled(template, {"name": "ab", "path.basename": "web"}, go=False) == value


@pytest.mark.compat("argocd:appset.templatePatch")
def test_a_patch_may_be_json_that_is_no_yaml() -> None:
    made = filled({"spec": {}}, PARAMS, patch='{\n\t"metadata": {\n\t\t"labels": {"a": "{{ .name }}"}\n\t}\n}\n\t')
    assert made == {"spec": {}, "metadata": {"labels": {"a": "Ab"}}}


@pytest.mark.compat("argocd:appset.templatePatch")
def test_a_patch_goes_over_the_result_but_never_into_another_project() -> None:
    template = {"metadata": {"name": "{{.name}}"}, "spec": {"project": "shop", "source": {"path": "a", "repoURL": "r"}}}
    patch = """
    spec:
      project: stolen
      source: {path: null, chart: "{{.name}}"}
      {{- if .m.a }}
      syncPolicy: {automated: {}}
      {{- end }}
    """
    made = filled(template, PARAMS, patch=patch)
    assert made["spec"] == {
        "project": "shop",
        "source": {"repoURL": "r", "chart": "Ab"},
        "syncPolicy": {"automated": {}},
    }
    assert str(filled(template, PARAMS, patch="- a")).startswith("error: templatePatch does not give an object")
    assert str(filled(template, PARAMS, patch="a: [")).startswith("error: ")


@pytest.mark.parametrize(
    ("template", "told"),
    [
        ("{{call .strings.ToUpper .name}} {{ call .strings.ReplaceAll .name `a` `o` }}", "AB ob"),
        ("{{call .repo.FullNameByRepoURL .url}}", "shop/deploy"),
        ("{{ call $.repo.QueryEscape (call .repo.RepoURLToHTTPS .url) }}", "https%3A%2F%2Fgit.example%2Fshop%2Fdeploy.git"),
        ("{{(call .repo.GetCommitMetadata .at).Author}}", "Ada"),
        ("I call .strings it", "I call .strings it"),
        ("{{(call .repo.GetCommitMetadata .name).Author}}", "error: nothing is known of the commit ab"),
        ("{{call .name}}", "error: 'call' is not defined"),
    ],
)
def test_templates_of_notifications_may_call_the_library_and_nothing_else(template: str, told: str) -> None:
    params = {"name": "ab", "url": "git@git.example:shop/deploy.git", "at": "c0ffee", "commits": {"c0ffee": {"Author": "Ada"}}}
    job = {"template": template, "go": True, "options": [], "patch": "", "library": True, "entries": [params]}
    (one,) = worker.render(job)
    assert told.removeprefix("error: ") in one.get("error" if told.startswith("error: ") else "ok", "")
