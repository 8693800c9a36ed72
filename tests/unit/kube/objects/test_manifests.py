"""What counts as a manifest, what is left alone, and what is refused with file and line."""

import pytest

from shipway.base.errors import InvalidInput
from shipway.kube.objects.manifests import objects_in_file, objects_in_output

CM = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: %s}\n"


def names(text: str, file: str = "a.yaml") -> list[str]:
    return [o.obj["metadata"]["name"] for o in objects_in_file(text, file)]


@pytest.mark.compat("argocd:directory.files")
def test_several_documents_and_their_lines():
    text = "# top\n" + CM % "one" + "---\n# only a comment\n---\n" + CM % "two"
    assert [(o.obj["metadata"]["name"], o.place) for o in objects_in_file(text, "d/a.yaml")] == [
        ("one", "d/a.yaml:2"),
        ("two", "d/a.yaml:8"),
    ]


@pytest.mark.compat("argocd:directory.files")
def test_lists_are_opened():
    text = f"apiVersion: v1\nkind: List\nitems:\n- {{apiVersion: v1, kind: Secret, metadata: {{name: s}}}}\n---\n{CM % 'c'}"
    assert names(text) == ["s", "c"]
    assert names("apiVersion: v1\nkind: ConfigMapList\nmetadata: {}\nitems:\n") == []


def test_json_files():
    assert names('{"apiVersion":"v1",\t"kind":"ConfigMap","metadata":{"name":"j"}}', "a.json") == ["j"]


@pytest.mark.parametrize(
    "text",
    [
        "replicas: 3\n",
        "- a\n- b\n",
        "",
        "---\n",
        "just text",
        "a: [",
        "{{ if .x }}\na: b",
        "x: &a {b: *a}",
        "a: {b: c}\n---\n7",
    ],
)
@pytest.mark.compat("argocd:directory.files")
def test_other_yaml_is_left_alone(text):
    assert objects_in_file(text, "values.yaml") == []


def test_a_marked_file_is_left_alone():
    assert objects_in_file("# +argocd:skip-file-rendering\n" + CM % "x", "a.yaml") == []


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (CM % "x" + "data: [", r"^d/a.yaml: line 5"),
        (CM % "x" + "---\nreplicas: 3\n", r"^d/a.yaml:5: kind is missing"),
        (CM % "x" + "---\n- 1\n", r"^d/a.yaml:5: not an object but \[1\]"),
        ("kind: ConfigMap\nmetadata: {name: x}\n", r"^d/a.yaml:1: apiVersion is missing"),
        ("apiVersion: v1\nkind: ConfigMap\n", "no metadata"),
        ("apiVersion: v1\nkind: ConfigMap\nmetadata: {}\n", "has no name"),
        (CM % "12", r"metadata.name is 12, not a text: quote it"),
        ("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x, labels: {on: true}}\n", r"metadata.labels\[true\] is true"),
        ("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x, annotations: [a]}\n", "not a map"),
        ("apiVersion: v1\nkind: List\nitems: [{kind: X}]\n", "apiVersion is missing"),
    ],
)
@pytest.mark.compat("argocd:directory.files")
def test_what_nearly_is_a_manifest_is_refused(text, says):
    with pytest.raises(InvalidInput, match=says) as caught:
        objects_in_file(text, "d/a.yaml")
    assert caught.value.reason in ("InvalidManifest", "InvalidYAML")


def test_generated_names_and_null_labels_are_fine():
    assert len(objects_in_file("apiVersion: batch/v1\nkind: Job\nmetadata: {generateName: x-, labels: {a: }}\n", "a.yaml")) == 1


def test_a_hook_needs_no_name():
    text = "apiVersion: batch/v1\nkind: Job\nmetadata: {annotations: {argocd.argoproj.io/hook: PreSync}}\n"
    assert len(objects_in_file(text, "a.yaml")) == 1


def test_in_a_tools_output_everything_must_be_an_object():
    assert [o.place for o in objects_in_output("\n---\n" + CM % "x", "t.yaml")] == ["t.yaml:3"]
    with pytest.raises(InvalidInput, match=r"t.yaml:1: not an object"):
        objects_in_output("hello", "t.yaml")
