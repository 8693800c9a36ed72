"""`resource.compareoptions` of `argocd-cm`: what a comparison overlooks everywhere.

ignoreAggregatedRoles: true            the rules of a ClusterRole that says aggregationRule: a controller gathers them
ignoreResourceStatusField: all         nothing to do: `status` in Git is neither applied nor compared here, whatever it says
ignoreDifferencesOnResourceUpdates     nothing to do: an event about an object costs a look at its ownership, no comparison
"""

from collections.abc import Mapping
from typing import Any

from shipway.api.application import IgnoreDifference
from shipway.base.errors import InvalidInput
from shipway.gitops.customizations import CONFIG_MAP
from shipway.kube.objects import yaml

KEY = "resource.compareoptions"
_STATUS = ("all", "crd", "none", "off", "false")
AGGREGATED_ROLES = IgnoreDifference(
    group="rbac.authorization.k8s.io", kind="ClusterRole", jq_path_expressions=("select(.aggregationRule != null) | .rules",)
)


def read_compare_options(settings: Mapping[str, str]) -> tuple[tuple[IgnoreDifference, ...], tuple[str, ...]]:
    """(rules, problems) of the data of `argocd-cm`. What cannot be read overlooks nothing and is told."""
    try:
        said: Any = yaml.load(settings.get(KEY) or "{}") or {}
    except InvalidInput as error:
        return (), (f"{CONFIG_MAP}: {KEY}: {error.message}",)
    if not isinstance(said, dict):
        return (), (f"{CONFIG_MAP}: {KEY} has to be a map",)
    return ((AGGREGATED_ROLES,) if said.get("ignoreAggregatedRoles") is True else ()), tuple(_problems(said))


def _problems(said: dict[str, Any]) -> list[str]:
    switches = ("ignoreAggregatedRoles", "ignoreDifferencesOnResourceUpdates")
    found = [
        f"{CONFIG_MAP}: {KEY}: {name} is true or false, not {said[name]!r}"
        for name in switches
        if not isinstance(said.get(name, False), bool)
    ]
    status = str(said.get("ignoreResourceStatusField", "all")).lower()
    if status not in _STATUS:
        found.append(f"{CONFIG_MAP}: {KEY}: ignoreResourceStatusField is one of all, crd, none, not {status!r}")
    return found
