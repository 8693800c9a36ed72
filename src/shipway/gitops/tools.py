"""What `argocd-cm` says of the tools that render.

helm.enable, kustomize.enable, jsonnet.enable   their folders are read as plain manifests, and files of Jsonnet passed over;
                                                plugins cannot be switched off
helm.valuesFileSchemes                          which URLs a chart may take files from (https and http where nothing is said)
"""

import re
from collections.abc import Mapping
from urllib.parse import urlsplit

from shipway.api.sources import SourceType

_KEYS: Mapping[str, SourceType] = {"helm.enable": "Helm", "kustomize.enable": "Kustomize", "jsonnet.enable": "Directory"}


_LOGIN = re.compile(r"//[^/@]*@")
SCHEMES = "helm.valuesFileSchemes"
FETCHED = ("https", "http")
"""Others are known to plugins of Helm."""


def read_switched_off(settings: Mapping[str, str]) -> tuple[SourceType, ...]:
    """`settings` is the data of `argocd-cm`; any word but `true` switches off, and an empty one says nothing."""
    return tuple(tool for key, tool in _KEYS.items() if (settings.get(key) or "true") != "true")


def read_schemes(settings: Mapping[str, str]) -> tuple[str, ...]:
    """The schemes that are allowed; said to be none where the key is there and empty."""
    if SCHEMES not in settings:
        return FETCHED
    return tuple(filter(None, map(str.strip, settings[SCHEMES].split(","))))


def without_login(url: str) -> str:
    """The URL as it may be shown."""
    return _LOGIN.sub("//", url)


def url_refusal(url: str, allowed: tuple[str, ...]) -> str:
    """Why a file is not read from there, "" where it is."""
    scheme, where = urlsplit(url).scheme, without_login(url)
    if scheme not in allowed:
        return f"{where}: the URL scheme '{scheme}' is not allowed: take the file into Git, or mend {SCHEMES} of argocd-cm"
    if scheme not in FETCHED:
        return f"{where}: files are read over {' and '.join(FETCHED)} alone: keep this one in a repository"
    return ""
