"""Declarations of config-management plugins: what is understood, and what is refused by name."""

from pathlib import Path
from typing import Any

import pytest

from shipway.adapters.plugins.declaration import Plugin, digest_of, load_plugins, plugin_of
from shipway.base.errors import InvalidInput

DECLARED = """\
apiVersion: argoproj.io/v1alpha1
kind: ConfigManagementPlugin
metadata: {name: cdk8s, annotations: {shipway.dev/network: allowed}}
spec:
  version: v1.0
  init: {command: [npm, ci], args: [--offline]}
  generate: {command: [sh, -c], args: [cdk8s synth && cat dist/*]}
  discover: {find: {glob: "**/cdk8s.yaml"}}
  parameters: {static: [{name: tag, title: Tag}], dynamic: {command: [echo, "[]"]}}
  lockRepo: true
  preserveFileMode: true
"""


def test_a_declaration_as_users_have_it(tmp_path: Path) -> None:
    (tmp_path / "cdk8s.yaml").write_text(DECLARED)
    (tmp_path / "README.md").write_text("not one")
    expected = Plugin(
        name="cdk8s-v1.0",
        init=("npm", "ci", "--offline"),
        generate=("sh", "-c", "cdk8s synth && cat dist/*"),
        glob="**/cdk8s.yaml",
        may_use_network=True,
    )
    assert load_plugins(tmp_path) == (expected,)
    other = digest_of([Plugin(name="cdk8s-v1.0", generate=("false",))])
    assert len({digest_of([]), digest_of([expected]), other}) == 3


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"kind": "ConfigMap"}, "not a ConfigManagementPlugin"),
        ({"metadata": {}}, "metadata.name is missing"),
        ({"spec": {}}, "spec.generate.command is missing"),
        ({"spec": {"generate": {"args": ["x"]}}}, "spec.generate.command is missing"),
        ({"spec": {"generate": {"command": "sh"}}}, "spec.generate.command is not a list"),
        ({"spec": {"generate": {"command": ["x"]}, "discovery": {}}}, "spec.discovery is not known"),
        ({"spec": {"generate": {"command": ["x"]}, "provideGitCreds": True}}, "spec.provideGitCreds is not supported"),
        ({"spec": {"generate": {"command": ["x"]}, "discover": {"fileName": ["a"]}}}, "spec.discover.fileName is not a text"),
        ({"spec": {"generate": {"command": ["x"]}, "discover": {"find": {"glob": "[a"}}}}, "spec.discover.find.glob"),
    ],
)
def test_what_is_refused(change: dict[str, Any], told: str) -> None:
    good = {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "ConfigManagementPlugin",
        "metadata": {"name": "x"},
        "spec": {"generate": {"command": ["x"]}},
    }
    assert plugin_of(good).generate == ("x",)
    with pytest.raises(InvalidInput, match=told):
        plugin_of({**good, **change})


def test_a_refusal_names_the_file(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(DECLARED)
    (tmp_path / "b.yml").write_text(DECLARED)
    with pytest.raises(InvalidInput, match=r"b\.yml: the plugin cdk8s-v1\.0 is declared twice"):
        load_plugins(tmp_path)
    (tmp_path / "b.yml").write_text("spec: [")
    with pytest.raises(InvalidInput, match=r"b\.yml: line"):
        load_plugins(tmp_path)
    with pytest.raises(InvalidInput, match="no such folder"):
        load_plugins(tmp_path / "absent")
