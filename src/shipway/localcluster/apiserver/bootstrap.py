"""What every cluster has before anybody comes: its namespaces and the Service `kubernetes`.

Runs at each start and only adds what is missing.
"""

from shipway.kube.objects.resource import Obj
from shipway.localcluster.apiserver.backend import Backend
from shipway.localcluster.apiserver.options import WriteOptions
from shipway.localcluster.apiserver.routes import Target
from shipway.localcluster.apiserver.writing import create

NAMESPACES = ("default", "kube-system", "kube-public", "kube-node-lease")
_OPTIONS = WriteOptions(manager="kube-apiserver")
_SERVICE: Obj = {
    "metadata": {"name": "kubernetes", "labels": {"component": "apiserver", "provider": "kubernetes"}},
    "spec": {"clusterIP": "10.96.0.1", "ports": [{"name": "https", "port": 443, "targetPort": 6443, "protocol": "TCP"}]},
}


def fill(backend: Backend) -> None:
    """Creates what is missing."""
    namespaces = backend.registry.find("", "v1", "namespaces")
    services = backend.registry.find("", "v1", "services")
    assert namespaces is not None and services is not None
    for name in NAMESPACES:
        if backend.store.get(namespaces.shelf, "", name) is None:
            create(backend, Target(namespaces), {"metadata": {"name": name}}, _OPTIONS)
    if backend.store.get(services.shelf, "default", "kubernetes") is None:
        create(backend, Target(services, "default"), _SERVICE, _OPTIONS)
