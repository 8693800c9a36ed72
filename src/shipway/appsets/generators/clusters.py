"""The cluster generator: one entry for each cluster Secret that the selector picks, and for the cluster we live in.

The local cluster is there without a Secret when nothing is selected by label; a Secret for it takes its place.
"""

from collections.abc import Sequence

from shipway.api.application import IN_CLUSTER_NAME, IN_CLUSTER_SERVER
from shipway.api.applicationset import ClusterGenerator
from shipway.appsets.parameters import merged, spelled
from shipway.appsets.scene import Params, Scene
from shipway.base.names import safe_name
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.secrets import secret_values
from shipway.kube.objects.selectors import EVERYTHING, LabelSelector, label_selector_of
from shipway.kube.objects.views import annotations_of, labels_of, name_of


def entries_of_clusters(block: ClusterGenerator, scene: Scene, given: Params, where: str) -> list[Params]:
    """One entry a cluster; `given` are the parameters around this generator, which its values may use too."""
    selector = label_selector_of(block.selector) if block.selector is not None else EVERYTHING
    found = selected_clusters(scene.around.clusters, selector)
    scene.seen_clusters += found
    if not found:
        scene.empty.append(where)
    entries = [spelled(one, scene.dialect) for one in found]
    entries = with_values(entries, block.values, scene, given, where)
    return [{"clusters": entries}] if block.flat_list else entries


def selected_clusters(secrets: Sequence[Obj], selector: LabelSelector) -> list[Params]:
    """What is known of the clusters, by name."""
    known = [_parameters(one) for one in secrets if selector.matches(labels_of(one))]
    is_described = any(secret_values(one).get("server") == IN_CLUSTER_SERVER for one in secrets)
    if selector.is_everything and not is_described:
        known.append(_described(IN_CLUSTER_NAME, IN_CLUSTER_SERVER, ""))
    return sorted(known, key=lambda one: one["name"])


def with_values(entries: list[Params], values: dict[str, str] | None, scene: Scene, given: Params, where: str) -> list[Params]:
    """The entries with the generator's `values`, each filled with what the entry says; entries that fail are left out."""
    if not values:
        return entries
    filled = scene.fill(values, [merged(given, entry) for entry in entries], f"{where}.values")
    pairs = [(entry, found) for entry, found in zip(entries, filled, strict=True) if found is not None]
    if scene.dialect.is_go:
        return [{**entry, "values": found} for entry, found in pairs]
    return [{**entry, **{f"values.{key}": value for key, value in found.items()}} for entry, found in pairs]


def _parameters(secret: Obj) -> Params:
    said = secret_values(secret)
    described = _described(said.get("name") or name_of(secret), said.get("server", ""), said.get("project", ""))
    return {**described, "metadata": {"labels": dict(labels_of(secret)), "annotations": dict(annotations_of(secret))}}


def _described(name: str, server: str, project: str) -> Params:
    return {"name": name, "nameNormalized": safe_name(name), "server": server, "project": project}
