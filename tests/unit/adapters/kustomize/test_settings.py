"""An Application's settings merged into a kustomization, as `kustomize edit` would."""

import pytest

from shipway.adapters.kustomize.settings import images, merged, parse_image
from shipway.base.errors import InvalidInput


@pytest.mark.parametrize(
    ("text", "image"),
    [
        ("web:1.2", {"name": "web", "newTag": "1.2"}),
        ("web=r.io/web:1.2", {"name": "web", "newName": "r.io/web", "newTag": "1.2"}),
        ("web=r.io:5000/web", {"name": "web", "newName": "r.io:5000/web"}),
        ("r.io:5000/web:1", {"name": "r.io:5000/web", "newTag": "1"}),
        ("web@sha256:ab", {"name": "web", "digest": "sha256:ab"}),
        ("web=r.io/web@sha256:ab", {"name": "web", "newName": "r.io/web", "digest": "sha256:ab"}),
        ("web=*:2", {"name": "web", "newName": "*", "newTag": "2"}),
    ],
)
@pytest.mark.compat("argocd:kustomize.images")
def test_image_overrides(text, image):
    assert parse_image(text) == image


@pytest.mark.parametrize("text", ["", "web", "=x:1", "web="])
def test_what_is_no_image_override(text):
    with pytest.raises(InvalidInput, match=r"spec.source.kustomize.images"):
        parse_image(text)


@pytest.mark.compat("argocd:kustomize.images")
def test_an_image_override_replaces_its_entry_and_keeps_the_others():
    present = [{"name": "web", "newName": "r.io/web", "newTag": "1"}, {"name": "db", "newTag": "9"}]
    assert images(present, ["web:2"]) == [{"name": "db", "newTag": "9"}, {"name": "web", "newTag": "2"}]
    assert images(present, ["web=*:2"])[1] == {"name": "web", "newName": "r.io/web", "newTag": "2"}


@pytest.mark.compat(
    "argocd:kustomize.namePrefix",
    "argocd:kustomize.namespace",
    "argocd:kustomize.replicas",
    "argocd:kustomize.commonLabels",
    "argocd:kustomize.commonAnnotations",
    "argocd:kustomize.patches",
)
def test_everything_that_can_be_set():
    kustomization = {"resources": ["x.yaml"], "patches": [{"path": "p.yaml"}], "replicas": [{"name": "a", "count": 1}]}
    options = {
        "namePrefix": "pre-",
        "nameSuffix": "-post",
        "namespace": "there",
        "replicas": [{"name": "a", "count": "3"}],
        "commonLabels": {"app": "${ARGOCD_APP_NAME}"},
        "commonAnnotations": {"who": "$ARGOCD_APP_NAME"},
        "commonAnnotationsEnvsubst": True,
        "patches": [{"patch": "x", "target": {"kind": "Deployment"}}],
        "components": ["../c"],
    }
    result = merged(kustomization, options, {"ARGOCD_APP_NAME": "shop"})
    assert result == {
        "resources": ["x.yaml"],
        "namePrefix": "pre-",
        "nameSuffix": "-post",
        "namespace": "there",
        "replicas": [{"name": "a", "count": 3}],
        "commonLabels": {"app": "shop"},
        "commonAnnotations": {"who": "shop"},
        "patches": [{"path": "p.yaml"}, {"patch": "x", "target": {"kind": "Deployment"}}],
        "components": ["../c"],
    }
    assert kustomization["patches"] == [{"path": "p.yaml"}]


@pytest.mark.compat("argocd:kustomize.commonAnnotations")
def test_annotations_are_taken_literally_unless_asked():
    assert merged({}, {"commonAnnotations": {"who": "$X"}}, {"X": "1"}) == {"commonAnnotations": {"who": "$X"}}


@pytest.mark.compat("argocd:kustomize.labelWithoutSelector")
def test_labels_without_selector():
    options = {"commonLabels": {"a": "b"}, "labelWithoutSelector": True, "labelIncludeTemplates": True}
    assert merged({}, options, {}) == {"labels": [{"pairs": {"a": "b"}, "includeTemplates": True}]}


@pytest.mark.parametrize("what", ["Label", "Annotation"])
@pytest.mark.compat("argocd:kustomize.forceCommonLabels", "argocd:kustomize.forceCommonAnnotations")
def test_a_doubled_label_needs_force(what):
    options = {f"common{what}s": {"a": "new"}}
    with pytest.raises(InvalidInput, match=f"forceCommon{what}s"):
        merged({f"common{what}s": {"a": "old"}}, options, {})
    forced = merged({f"common{what}s": {"a": "old", "b": "old"}}, {**options, f"forceCommon{what}s": True}, {})
    assert forced == {f"common{what}s": {"a": "new", "b": "old"}}


def test_nothing_set_changes_nothing():
    assert merged({"resources": []}, {"namePrefix": "", "images": []}, {}) == {"resources": []}


@pytest.mark.parametrize("options", [{"replicas": [{"name": "x"}]}, {"images": "web:1"}, {"commonLabels": ["a"]}])
def test_what_cannot_work_is_refused(options):
    with pytest.raises(InvalidInput, match=r"spec.source.kustomize"):
        merged({}, options, {})
