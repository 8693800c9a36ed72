"""Declarations of step and metric plugins: what is understood, and what is refused by name."""

from pathlib import Path
from typing import Any

import pytest

from shipway.adapters.plugins.declaration import load_plugins
from shipway.adapters.plugins.rollout_declaration import RolloutPlugin, load_rollout_plugins, rollout_plugin_of
from shipway.base.errors import InvalidInput

STEP = """\
apiVersion: shipway.dev/v1alpha1
kind: StepPlugin
metadata: {name: acme/ticket}
spec:
  command: [./ticket.sh, --quiet]
  args: [-v]
  timeout: 1m30s
  memory: 64Mi
  environment: [TICKETS_TOKEN]
---
apiVersion: shipway.dev/v1alpha1
kind: MetricPlugin
metadata: {name: acme/rows}
spec: {command: [rows]}
"""
RENDERS = """\
apiVersion: argoproj.io/v1alpha1
kind: ConfigManagementPlugin
metadata: {name: cdk8s}
spec: {generate: {command: [cdk8s]}}
"""


def test_one_folder_holds_all_kinds_of_plugins(tmp_path: Path) -> None:
    (tmp_path / "rollouts.yaml").write_text(STEP)
    (tmp_path / "renders.yml").write_text(RENDERS)
    (tmp_path / "README.md").write_text("not one")
    assert load_rollout_plugins(tmp_path) == (
        RolloutPlugin(
            "StepPlugin",
            "acme/ticket",
            (str(tmp_path / "ticket.sh"), "--quiet", "-v"),
            seconds=90.0,
            memory=64 << 20,
            environment=("TICKETS_TOKEN",),
        ),
        RolloutPlugin("MetricPlugin", "acme/rows", ("rows",)),
    )
    assert [plugin.name for plugin in load_plugins(tmp_path)] == ["cdk8s"]


def declared(**change: Any) -> dict[str, Any]:
    good = {"apiVersion": "shipway.dev/v1alpha1", "kind": "StepPlugin", "metadata": {"name": "a/b"}, "spec": {"command": ["x"]}}
    return {**good, **change}


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"metadata": {}}, "metadata.name is missing"),
        ({"metadata": {"name": "b"}}, "metadata.name 'b' is not ORGANISATION/NAME"),
        ({"metadata": {"name": "shipway.dev/slo"}}, "shipway.dev/ belong to Shipway itself"),
        ({"spec": {}}, "spec.command is missing"),
        ({"spec": {"command": "x"}}, "spec.command is not a list of texts"),
        ({"spec": {"command": ["bin/x"]}}, "spec.command: 'bin/x' is neither"),
        ({"spec": {"command": ["x\0"]}}, "NUL"),
        ({"spec": {"command": ["x"], "timeuot": "3s"}}, "spec.timeuot is not known"),
        ({"spec": {"command": ["x"], "timeout": "3"}}, "spec.timeout: "),
        ({"spec": {"command": ["x"], "timeout": 3}}, "spec.timeout is not a text"),
        ({"spec": {"command": ["x"], "timeout": "0s"}}, "spec.timeout is 0s: between 1s and 10m0s"),
        ({"spec": {"command": ["x"], "timeout": "11m"}}, "spec.timeout is 11m: between"),
        ({"spec": {"command": ["x"], "memory": "much"}}, "spec.memory: quantities must match"),
        ({"spec": {"command": ["x"], "memory": "1Mi"}}, "spec.memory is 1Mi: between 32Mi and 4Gi"),
        ({"spec": {"command": ["x"], "environment": {"A": "b"}}}, "spec.environment is not a list of names"),
        ({"spec": {"command": ["x"], "environment": ["A=b"]}}, "spec.environment: 'A=b' is no name of a variable"),
        ({"spec": {"command": ["x"], "environment": ["HOME"]}}, "spec.environment: HOME is the plugin's own"),
        ({"spec": {"command": ["x"], "disabled": "yes"}}, "spec.disabled is neither true nor false"),
        ({"kind": "MetricPlugin", "spec": {"command": ["x"], "disabled": True}}, "spec.disabled is only for a StepPlugin"),
    ],
)
def test_what_is_refused(change: dict[str, Any], told: str) -> None:
    assert rollout_plugin_of(declared(), Path("/plugins")).command == ("x",)
    with pytest.raises(InvalidInput, match=told):
        rollout_plugin_of(declared(**change), Path("/plugins"))


def test_a_refusal_names_the_file_and_both_readers_refuse_what_is_no_plugin(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(STEP)
    (tmp_path / "b.yaml").write_text(STEP)
    with pytest.raises(InvalidInput, match=r"b\.yaml: the StepPlugin acme/ticket is declared twice"):
        load_rollout_plugins(tmp_path)
    (tmp_path / "b.yaml").write_text("apiVersion: v1\nkind: ConfigMap\n")
    for load in (load_plugins, load_rollout_plugins):
        with pytest.raises(InvalidInput, match=r"b\.yaml: not a ConfigManagementPlugin, StepPlugin or MetricPlugin"):
            load(tmp_path)
        with pytest.raises(InvalidInput, match="there is no such folder"):
            load(tmp_path / "absent")


def test_a_step_and_a_metric_plugin_may_bear_one_name(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(STEP.replace("acme/rows", "acme/ticket"))
    assert [(one.kind, one.name) for one in load_rollout_plugins(tmp_path)] == [
        ("StepPlugin", "acme/ticket"),
        ("MetricPlugin", "acme/ticket"),
    ]
