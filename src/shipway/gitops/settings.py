"""What the GitOps engine is told by whoever starts it."""

from msgspec import Struct

FIELD_MANAGER = "shipway-gitops"


class GitOpsSettings(Struct, frozen=True):
    """`namespace`: where Applications live. `key`: secret of this installation, keys the hash of what was applied.

    The hash is keyed so that a Secret's content cannot be guessed from the annotation; a new key makes every object
    look not yet applied by us, which costs one comparison each and changes nothing.
    """

    namespace: str = "argocd"
    manager: str = FIELD_MANAGER
    key: bytes = b"shipway"
