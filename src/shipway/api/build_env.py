"""Argo CD's build environment: `$ARGOCD_APP_NAME` and `${ARGOCD_APP_REVISION}` inside a source's options.

The syntax is Go's `os.Expand`: an unknown name becomes nothing, `$$` is a dollar sign. Only what a source mentions takes
part in a render's identity, so a source that does not mention the revision is not rendered anew for each commit.
"""

import re
from collections.abc import Mapping

_VARIABLE = re.compile(r"\$(?:\{([^}]*)\}|([*#$@!?0-9-]|[A-Za-z_][A-Za-z0-9_]*))")


def substitute(text: str, env: Mapping[str, str]) -> str:
    """`text` with its variables replaced."""

    def value(match: re.Match[str]) -> str:
        name = match[1] if match[1] is not None else match[2]
        return "$" if name == "$" else env.get(name, "")

    return _VARIABLE.sub(value, text) if "$" in text else text
