"""CustomResourceDefinitions: what happens around their writes."""

from collections.abc import Iterable

from shipway.kube.objects.resource import Obj
from shipway.localcluster.apiserver.backend import Backend
from shipway.localcluster.apiserver.registry import Kind

SHELF = ("apiextensions.k8s.io", "customresourcedefinitions")
CRD = ("apiextensions.k8s.io", "CustomResourceDefinition")


def after_write(backend: Backend, kind: Kind, obj: Obj) -> None:
    """Serves, or serves differently, what a stored CRD defines."""


def before_change(backend: Backend, kind: Kind, live: Obj, obj: Obj) -> None:
    """Keeps the parts of a CRD's status that the server owns."""


def after_removal(backend: Backend, kind: Kind, obj: Obj) -> None:
    """Stops serving what a removed CRD defined."""


def load(backend: Backend, rows: Iterable[tuple[tuple[str, str], bytes]]) -> None:
    """Serves what stored CRDs define, before their objects are loaded."""
