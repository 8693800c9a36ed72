"""In the place of two repositories of GitHub that suites read: theirs in shape, on this machine, and a `git` that finds them.

Tests deploy `guestbook` of argocd-example-apps; of its other folders they want the names.
"""

import shlex
import shutil
from pathlib import Path

from tests.repository import seed

FOLDERS = ("helm-guestbook", "jsonnet-guestbook", "kustomize-guestbook", "ksonnet-guestbook", "sock-shop")
GUESTBOOK = "examples/git-generator-files-discovery/apps/guestbook"
GUESTBOOK_FILES = ("guestbook-ui-deployment.yaml", "guestbook-ui-svc.yaml")
MANIFEST = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: example}\n"


def git_with_examples(program: Path, home: Path, applicationsets: Path) -> None:
    """Writes `program`, which is git; `applicationsets` is the content of argoproj/applicationset."""
    theirs = {
        str(file.relative_to(applicationsets)): file.read_bytes() for file in applicationsets.rglob("*") if file.is_file()
    }
    deployed = {f"guestbook/{name}": theirs[f"{GUESTBOOK}/{name}"] for name in GUESTBOOK_FILES}
    seed(home, "argocd-example-apps", {**{f"{folder}/manifest.yaml": MANIFEST for folder in FOLDERS}, **deployed})
    seed(home, "applicationset", dict(theirs))
    git = shutil.which("git")
    assert git, "git is needed"
    setting = f"url.file://{home}/.insteadOf=https://github.com/argoproj/"
    program.write_text(f'#!/bin/sh\nexec {shlex.quote(git)} -c {shlex.quote(setting)} "$@"\n')
    program.chmod(0o755)
