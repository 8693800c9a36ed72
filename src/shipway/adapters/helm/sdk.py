"""Helm 4 as a library. Its offline `helm_render` takes merged values, so merging them as `-f` and `--set` do is ours."""

import json
import os
import stat
import tempfile
from typing import Any

from shipway.adapters.helm.failure import failed, without_schemas
from shipway.adapters.helm.integers import NAME, keep_integers
from shipway.adapters.helm.setting import escape_commas, set_value
from shipway.base.errors import Unavailable
from shipway.base.semver import parse_range, parse_version
from shipway.kube.objects import yaml


def _private_home() -> None:
    """Helm's caches, in a place of their own; the library reads the environment when it is loaded."""
    home = os.path.join(tempfile.gettempdir(), f"shipway-helm-home-{os.getuid()}")
    os.makedirs(home, mode=0o700, exist_ok=True)
    found = os.lstat(home)
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        raise Unavailable(f"{home} belongs to somebody else: remove it, or set TMPDIR", reason="RenderFailed")
    os.environ.update({"HOME": home, "HELM_CACHE_HOME": home, "HELM_CONFIG_HOME": home, "HELM_DATA_HOME": home})


def render(job: dict[str, Any]) -> tuple[str, list[tuple[str, str]]]:
    """The tool's name, and (template, text) pairs in order of their names, CRDs first."""
    _private_home()
    import helm_python
    from helm_python import _native

    if job["skip_schema"]:
        without_schemas(job)
    merged = merged_values(job)
    values, options = json.dumps(merged), json.dumps(_options(job))
    keep_integers(job["chart"], merged)
    try:
        with helm_python.Chart.load(job["chart"]) as chart:
            _check_chart(job, chart.metadata)
            texts = json.loads(_native.call_string("helm_render", chart._raw(), values, options))
            # read after rendering, which takes disabled subcharts out
            crds = [] if job["skip_crds"] else [(crd["filename"], crd["data"]) for crd in chart.crds]
    except helm_python.HelmError as error:
        raise failed(job, str(error)) from None
    kept = [(name, text) for name, text in sorted(texts.items()) if not name.endswith(("/NOTES.txt", f"/{NAME}"))]
    return f"helm {_native.helm_sdk_version()} (SDK)", [*crds, *kept]


def _check_chart(job: dict[str, Any], metadata: dict[str, Any]) -> None:
    """What the command checks before it renders."""
    kind, wanted, version = metadata.get("type") or "", metadata.get("kubeVersion") or "", job["kube_version"]
    if kind not in ("", "application"):
        raise failed(job, f"{kind} charts are not installable")
    found = parse_version(version)
    fits = parse_range(wanted) or (lambda one: one == parse_version(wanted))
    if wanted and version and (found is None or not fits(found)):
        said = f"v{version.removeprefix('v')}"
        raise failed(job, f"chart requires kubeVersion: {wanted} which is incompatible with Kubernetes {said}")


def merged_values(job: dict[str, Any]) -> dict[str, Any]:
    """Value files in order, then parameters, then file parameters, each over what came before."""
    values: dict[str, Any] = {}
    for _, text in job["values"]:
        values = _merge(values, yaml.load(text) or {})
    for name, value, force in job["sets"]:
        set_value(values, f"{name}={escape_commas(value)}", force_string=force)
    for name, content in job["files"]:
        set_value(values, f"{name}={_literal(content)}", force_string=True)
    return values


def _merge(under: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """Helm's mergeMaps: maps go into maps, everything else replaces; null stays, the chart's default is removed by it."""
    merged = dict(under)
    for key, value in over.items():
        old = merged.get(key)
        merged[key] = _merge(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return merged


def _literal(content: str) -> str:
    """A text that `--set` takes as it is: no list, no escapes, no second setting."""
    escaped = content.replace("\\", "\\\\").replace(",", "\\,")
    return f"\\{escaped}" if escaped.startswith("{") else escaped


def _options(job: dict[str, Any]) -> dict[str, Any]:
    options: dict[str, Any] = {"name": job["release"], "namespace": job["namespace"]}
    if job["kube_version"]:
        options["kube_version"] = job["kube_version"]
    if job["api_versions"]:
        options["api_versions"] = job["api_versions"]
    return options
