"""An Application from flags, pure: the flags of `argocd app create`, and the manifest that they stand for.

What a flag does not say is not in the manifest, so that a file from `--dry-run -o yaml` reads as if written by hand.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from cyclopts import Parameter

from shipway.api.application import IN_CLUSTER_SERVER
from shipway.base.errors import InvalidInput
from shipway.cli.diff_view import SERVER_SIDE
from shipway.gitops.annotations import RESOURCES_FINALIZER
from shipway.kube.objects.resource import Obj

SyncPolicyName = Literal["none", "manual", "automated", "auto", "automatic"]
AUTOMATED = ("automated", "auto", "automatic")
Text = Annotated[str, Parameter(show_default=False)]
Texts = Annotated[tuple[str, ...], Parameter(show_default=False, negative="")]
Switch = Annotated[bool, Parameter(negative="")]
Number = Annotated[int | None, Parameter(show_default=False)]


@Parameter(name="*")
@dataclass(frozen=True)
class SpecFlags:
    """What the Application is. The names are those of `argocd app create`."""

    repo: Text = ""
    "The repository: a Git URL, a chart repository, or oci://."
    path: Text = ""
    "The directory in it."
    helm_chart: Text = ""
    "The chart, in a chart repository."
    revision: Text = ""
    "The branch, tag, commit, version or version range to follow."
    project: Text = ""
    "The AppProject; default otherwise."
    dest_server: Text = ""
    "The cluster by its URL; the one that Shipway runs on otherwise."
    dest_name: Text = ""
    "The cluster by its name."
    dest_namespace: Text = ""
    "The namespace for objects that state none."
    values: Texts = ()
    "A values file, relative to the path; may be given again."
    values_literal_file: Text = ""
    "A file here whose text becomes the values."
    helm_set: Texts = ()
    "A Helm parameter, like image.tag=v2; may be given again."
    helm_set_string: Texts = ()
    "The same, always as a string."
    helm_set_file: Texts = ()
    "The same from a file of the repository, like config=files/app.conf."
    release_name: Text = ""
    "The name of the Helm release; the Application's otherwise."
    helm_skip_crds: Switch = False
    "Leave out the chart's CRDs."
    helm_pass_credentials: Switch = False
    "Pass the login on to every host that the chart names."
    ignore_missing_value_files: Switch = False
    "A values file may be missing."
    kustomize_image: Texts = ()
    "An image to replace, like web=registry/web:v2; may be given again."
    nameprefix: Text = ""
    "Before every name (Kustomize)."
    namesuffix: Text = ""
    "After every name (Kustomize)."
    kustomize_common_label: Texts = ()
    "A label on everything, like team=shop."
    kustomize_common_annotation: Texts = ()
    "An annotation on everything."
    directory_recurse: Switch = False
    "Read the directories below too."
    directory_include: Text = ""
    "Only files that fit this glob."
    directory_exclude: Text = ""
    "No file that fits this glob."
    sync_policy: Annotated[SyncPolicyName | None, Parameter(show_default=False)] = None
    "automated: sync by itself; none or manual: when asked."
    auto_prune: Switch = False
    "Automated sync deletes what Git no longer has."
    self_heal: Switch = False
    "Automated sync undoes hand edits."
    allow_empty: Switch = False
    "Automated sync may delete everything."
    sync_option: Texts = ()
    "A sync option, like CreateNamespace=true; may be given again."
    sync_retry_limit: Number = None
    "How often a failed sync is tried again; below 0: for ever."
    sync_retry_backoff_duration: Text = ""
    "The wait before the first retry, like 5s."
    sync_retry_backoff_max_duration: Text = ""
    "The longest wait between two."
    sync_retry_backoff_factor: Number = None
    "By how much each wait is longer than the one before."
    revision_history_limit: Number = None
    "How many deployments are remembered."
    label: Annotated[tuple[str, ...], Parameter(name=["--label", "-l"], show_default=False, negative="")] = ()
    "A label of the Application, like team=shop; may be given again."
    annotations: Texts = ()
    "An annotation of the Application; may be given again."
    set_finalizer: Switch = False
    "Deleting the Application deletes what it manages."


def application_from(flags: SpecFlags, literal_values: str = "") -> Obj:
    """Metadata and spec that the flags state; nothing that they do not. `literal_values`: the text of --values-literal-file.

    Raises InvalidInput for flags that contradict one another.
    """
    spec = {
        "project": flags.project,
        "source": _source(flags, literal_values),
        "destination": {"server": flags.dest_server, "name": flags.dest_name, "namespace": flags.dest_namespace},
        "syncPolicy": _sync_policy(flags),
        "revisionHistoryLimit": flags.revision_history_limit,
    }
    meta = {
        "labels": _pairs("--label", flags.label),
        "annotations": _pairs("--annotations", flags.annotations),
        "finalizers": [RESOURCES_FINALIZER] if flags.set_finalizer else [],
    }
    return _filled({"metadata": meta, "spec": spec})


def overlaid(spec: Obj, stated: Obj) -> Obj:
    """A spec with what flags state over it. Parameters, images and sync options take the place of those of their own name and
    stand beside the others; every other list is replaced.

    Raises InvalidInput where flags speak of one source and there are several, or a hydrator.
    """
    if spec.get("sourceHydrator") and stated.get("source"):
        raise InvalidInput("its source is rendered into a branch: change spec.sourceHydrator in its manifest")
    if spec.get("sources") and stated.get("source"):
        raise InvalidInput(
            "it has several sources, and which one is meant would be a guess: change spec.sources in its manifest"
        )
    return _overlaid(spec, stated, "")


def _overlaid(old: Any, new: Any, field: str) -> Any:
    if isinstance(old, dict) and isinstance(new, dict):
        return {**old, **{key: _overlaid(old.get(key), value, key) for key, value in new.items()}}
    if isinstance(old, list) and isinstance(new, list) and field in _NAMED:
        name_of = _NAMED[field]
        told = {name_of(one) for one in new}
        return [*(one for one in old if name_of(one) not in told), *new]
    return new


_NAMED: dict[str, Callable[[Any], str]] = {
    "parameters": lambda one: str(one.get("name")),
    "fileParameters": lambda one: str(one.get("name")),
    "images": lambda image: re.sub(r":[^/:]*$", "", re.split("[=@]", str(image))[0]),
    "syncOptions": lambda option: str(option).partition("=")[0],
}
"""Lists in a spec whose entries have names, and where the name stands. An image is known by what it replaces."""


def completed(app: Obj, name: str, namespace: str) -> Obj:
    """An Application that can be created: with its name, its namespace and the defaults of Argo CD's clients."""
    spec: Obj = app.get("spec") or {}
    destination: Obj = spec.get("destination") or {}
    if not destination.get("server") and not destination.get("name"):
        destination = {**destination, "server": IN_CLUSTER_SERVER}
    meta: Obj = {key: value for key, value in (app.get("metadata") or {}).items() if key not in SERVER_SIDE}
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Application",
        "metadata": {**meta, "name": name, "namespace": namespace},
        "spec": {**spec, "project": spec.get("project") or "default", "destination": destination},
    }


def _source(flags: SpecFlags, literal_values: str) -> Obj:
    parameters = [
        *({"name": name, "value": value} for name, value in _pairs("--helm-set", flags.helm_set).items()),
        *(
            {"name": name, "value": value, "forceString": True}
            for name, value in _pairs("--helm-set-string", flags.helm_set_string).items()
        ),
    ]
    helm = {
        "releaseName": flags.release_name,
        "valueFiles": list(flags.values),
        "values": literal_values,
        "parameters": parameters,
        "fileParameters": [{"name": n, "path": p} for n, p in _pairs("--helm-set-file", flags.helm_set_file).items()],
        "skipCrds": flags.helm_skip_crds,
        "passCredentials": flags.helm_pass_credentials,
        "ignoreMissingValueFiles": flags.ignore_missing_value_files,
    }
    kustomize = {
        "images": list(flags.kustomize_image),
        "namePrefix": flags.nameprefix,
        "nameSuffix": flags.namesuffix,
        "commonLabels": _pairs("--kustomize-common-label", flags.kustomize_common_label),
        "commonAnnotations": _pairs("--kustomize-common-annotation", flags.kustomize_common_annotation),
    }
    directory = {"recurse": flags.directory_recurse, "include": flags.directory_include, "exclude": flags.directory_exclude}
    return {
        "repoURL": flags.repo,
        "path": flags.path,
        "chart": flags.helm_chart,
        "targetRevision": flags.revision,
        "helm": helm,
        "kustomize": kustomize,
        "directory": directory,
    }


def _sync_policy(flags: SpecFlags) -> Obj:
    extras = {"prune": flags.auto_prune, "selfHeal": flags.self_heal, "allowEmpty": flags.allow_empty}
    is_automated = flags.sync_policy in AUTOMATED
    if any(extras.values()) and not is_automated:
        raise InvalidInput("--auto-prune, --self-heal and --allow-empty are for automated sync: say --sync-policy automated")
    backoff = {
        "duration": flags.sync_retry_backoff_duration,
        "maxDuration": flags.sync_retry_backoff_max_duration,
        "factor": flags.sync_retry_backoff_factor,
    }
    policy = _filled({"syncOptions": list(flags.sync_option), "retry": {"limit": flags.sync_retry_limit, "backoff": backoff}})
    return {**({"automated": _filled(extras)} if is_automated else {}), **policy}


def _pairs(flag: str, written: Sequence[str]) -> dict[str, str]:
    """{name: value} of `name=value`. Raises InvalidInput naming the flag."""
    found: dict[str, str] = {}
    for one in written:
        name, sign, value = one.partition("=")
        if not name or not sign:
            raise InvalidInput(f'{flag} {one}: write it like "name=value"')
        found[name] = value
    return found


def _filled(fields: dict[str, Any]) -> Obj:
    """Without what says nothing, at any depth; `automated: {}` says something."""
    kept: Obj = {}
    for key, value in fields.items():
        inner = _filled(value) if isinstance(value, dict) else value
        if inner is None or inner is False or inner == "" or (inner in ([], {}) and key != "automated"):
            continue  # a number that is 0 says something too
        kept[key] = inner
    return kept
