"""What the ApplicationSet engine is told by whoever starts it."""

from msgspec import Struct

from shipway.base.globs import glob_or_regex


class AppSetSettings(Struct, frozen=True):
    """`namespace`: where ApplicationSets, their Applications and the Secrets of clusters live. `application_namespaces`: globs
    (or `/regular expressions/`) of further namespaces whose sets are served."""

    namespace: str = "argocd"
    application_namespaces: tuple[str, ...] = ()

    def serves(self, namespace: str) -> bool:
        """Whether ApplicationSets of this namespace are ours to look at."""
        return namespace == self.namespace or any(glob_or_regex(one)(namespace) for one in self.application_namespaces)
