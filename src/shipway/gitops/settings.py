"""What the GitOps engine is told by whoever starts it."""

from msgspec import Struct

from shipway.base.globs import glob_or_regex
from shipway.gitops.timing import Timing

FIELD_MANAGER = "shipway-gitops"
KEY_SECRET = "shipway-applied-key"
"""Secret of the installation: keys the hash of what was applied, so that a Secret cannot be guessed from it."""


class GitOpsSettings(Struct, frozen=True):
    """`namespace`: where Applications and AppProjects live. `key`: secret of this installation, keys the hash of what was
    applied. `application_namespaces`: globs (or `/regular expressions/`) of further namespaces whose Applications are served,
    where their AppProject lets them. `timing`: the pace of syncs. `by_invitation`: only Applications with our label are
    reconciled. `only_reports`: none is (`handover`).

    The hash is keyed so that a Secret's content cannot be guessed from the annotation; a new key makes every object
    look not yet applied by us, which costs one comparison each and changes nothing.
    """

    namespace: str = "argocd"
    application_namespaces: tuple[str, ...] = ()
    manager: str = FIELD_MANAGER
    key: bytes = b"shipway"
    timing: Timing = Timing()
    by_invitation: bool = False
    only_reports: bool = False

    def serves(self, namespace: str) -> bool:
        """Whether Applications of this namespace are ours to look at."""
        return namespace == self.namespace or any(glob_or_regex(one)(namespace) for one in self.application_namespaces)
