"""How far one looks on a cluster: everywhere, or only into some namespaces, as a login without rights on the rest has to.

Kinds with a namespace are then listed and watched once in each of them. Kinds without one are left alone altogether, unless
the reach says that they are its business too.
"""

from msgspec import Struct

from shipway.kube.objects.resource import Resource


class Reach(Struct, frozen=True):
    """`namespaces`: the only ones that are looked into; none named: all of them. `cluster_resources`: kinds that have no
    namespace too, where only some namespaces are looked into."""

    namespaces: tuple[str, ...] = ()
    cluster_resources: bool = False

    def includes(self, namespace: str) -> bool:
        """Whether what lies there is looked at; "" is where objects without a namespace lie."""
        return not self.namespaces or (namespace in self.namespaces if namespace else self.cluster_resources)

    def covers(self, resource: Resource) -> bool:
        """Whether any object of the kind may be looked at."""
        return resource.namespaced or self.includes("")

    def places(self, resource: Resource, namespace: str = "") -> tuple[str, ...]:
        """The namespaces to list for all of a kind, or for what lies in `namespace`; "" stands for one list of everything."""
        if not resource.namespaced:
            return ("",) if self.includes("") else ()
        if namespace:
            return (namespace,) if self.includes(namespace) else ()
        return self.namespaces or ("",)


EVERYWHERE = Reach()
