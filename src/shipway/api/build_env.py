"""Argo CD's build environment: `$ARGOCD_APP_NAME` and `${ARGOCD_APP_REVISION}` inside a source's options.

The syntax is Go's `os.Expand`: an unknown name becomes nothing, `$$` is a dollar sign. The revision and what is said of the
cluster take part in a render's identity only where a source mentions them, so all others are not rendered anew for each commit.
"""

import re
from collections.abc import Mapping

_VARIABLE = re.compile(r"\$(?:\{([^}]*)\}|([*#$@!?0-9-]|[A-Za-z_][A-Za-z0-9_]*))")

REVISIONS = ("ARGOCD_APP_REVISION", "ARGOCD_APP_REVISION_SHORT", "ARGOCD_APP_REVISION_SHORT_8")
TARGET_REVISION = "ARGOCD_APP_SOURCE_TARGET_REVISION"
OF_THE_CLUSTER = ("KUBE_VERSION", "KUBE_API_VERSIONS")


def mentioned(text: str) -> frozenset[str]:
    """The variables that a text names."""
    return frozenset(match[1] if match[1] is not None else match[2] for match in _VARIABLE.finditer(text))


def substitute(text: str, env: Mapping[str, str]) -> str:
    """`text` with its variables replaced."""

    def value(match: re.Match[str]) -> str:
        name = match[1] if match[1] is not None else match[2]
        return "$" if name == "$" else env.get(name, "")

    return _VARIABLE.sub(value, text) if "$" in text else text
