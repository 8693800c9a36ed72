"""The programs and libraries that sources are rendered with here, and their versions."""

import json
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version

from msgspec import Struct

from shipway import __version__
from shipway.adapters.helm.engine import find_helm
from shipway.adapters.kustomize.engine import find_kubectl

_SECONDS = 20
_LIBRARIES = ("helm-python-sdk", "gojsonnet", "pygit2", "PyYAML", "jq", "lupa")
UNKNOWN = "not found"


class Tool(Struct, frozen=True):
    """`what` is rendered or read by `version` of it; `where` is a program's path, or the library's name."""

    what: str
    version: str
    where: str = ""


def tools() -> list[Tool]:
    """Shipway itself first. A program that is missing or does not answer says so."""
    helm, kubectl = find_helm(), find_kubectl()
    return [
        Tool("shipway", __version__),
        Tool("python", sys.version.split()[0], sys.executable),
        Tool("helm", _said(helm, "version", "--short").partition("+")[0], helm) if helm else _helm_library(),
        Tool("kustomize", _kustomize(kubectl), kubectl),
        Tool("git", _said("git", "--version").removeprefix("git version "), "git"),
        *(Tool(name, _installed(name), "library") for name in _LIBRARIES),
    ]


def _helm_library() -> Tool:
    from helm_python import _native

    return Tool("helm", _native.helm_sdk_version(), "the Helm SDK in a worker process")


def _kustomize(kubectl: str) -> str:
    try:
        return str(json.loads(_said(kubectl, "version", "--client", "-o", "json"))["kustomizeVersion"])
    except (ValueError, KeyError):
        return UNKNOWN


def _said(*command: str) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, check=False, stdin=subprocess.DEVNULL)
    except (OSError, subprocess.TimeoutExpired):
        return UNKNOWN
    return done.stdout.strip() or UNKNOWN


def _installed(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return UNKNOWN
