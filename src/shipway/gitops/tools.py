"""Which of the tools that render `argocd-cm` switches off: `helm.enable`, `kustomize.enable`, and `jsonnet.enable`.

Their folders are then read as plain manifests, and files of Jsonnet passed over, as in Argo CD. Plugins cannot be switched off.
"""

from collections.abc import Mapping

from shipway.api.sources import SourceType

_KEYS: Mapping[str, SourceType] = {"helm.enable": "Helm", "kustomize.enable": "Kustomize", "jsonnet.enable": "Directory"}


def read_switched_off(settings: Mapping[str, str]) -> tuple[SourceType, ...]:
    """`settings` is the data of `argocd-cm`; any word but `true` switches off, and an empty one says nothing."""
    return tuple(tool for key, tool in _KEYS.items() if (settings.get(key) or "true") != "true")
