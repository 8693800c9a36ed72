"""Keys of developers who sign, made by the real gpg and ssh-keygen."""

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.repository import WorkingCopy


def needs(*programs: str) -> None:
    """Skips where a program of the developer is not installed."""
    for program in programs:
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed: run `make tools`")


class GpgKeys:
    """A developer's GnuPG home."""

    def __init__(self, home: Path) -> None:
        self.home = home

    def run(self, *arguments: str) -> str:
        command = ("gpg", "--homedir", str(self.home), "--batch", "--quiet", "--pinentry-mode", "loopback", "--passphrase", "")
        return subprocess.run([*command, *arguments], capture_output=True, text=True, check=True, timeout=60).stdout

    def make(self, email: str, *, expire: str = "never") -> str:
        """The fingerprint of a new key that signs."""
        self.run("--quick-generate-key", f"Dev <{email}>", "ed25519", "sign", expire)
        listed = self.run("--list-keys", "--with-colons", email)
        return next(line.split(":")[9] for line in listed.splitlines() if line.startswith("fpr"))

    def armored(self, fingerprint: str) -> str:
        return self.run("--armor", "--export", fingerprint)

    def sign_for(self, copy: WorkingCopy, fingerprint: str) -> None:
        """Has the working copy sign with this key from now on."""
        program = copy.path.parent / "gpg-program"
        program.write_text(f'#!/bin/sh\nexec gpg --homedir {self.home} --batch --pinentry-mode loopback --passphrase "" "$@"\n')
        program.chmod(0o700)
        settings = {"gpg.format": "openpgp", "gpg.program": str(program), "user.signingKey": f"{fingerprint}!"}
        _set(copy, settings)


@contextmanager
def gpg_keys() -> Iterator[GpgKeys]:
    """A home with a short path, since gpg-agent puts a socket into it."""
    needs("gpg", "gpg-agent", "gpgv")
    home = Path(tempfile.mkdtemp(prefix="gpg-"))
    try:
        yield GpgKeys(home)
    finally:
        subprocess.run(["gpgconf", "--homedir", str(home), "--kill", "all"], check=False, timeout=60)
        shutil.rmtree(home, ignore_errors=True)


def ssh_key(folder: Path, name: str, kind: str = "ed25519") -> tuple[Path, str]:
    """(private key, public key as it is written into a list of allowed signers)."""
    needs("ssh-keygen")
    path = folder / name
    options = ("-t", kind, *(("-b", "2048") if kind == "rsa" else ()), "-N", "", "-C", "", "-q", "-f", str(path))
    subprocess.run(["ssh-keygen", *options], check=True, timeout=60)
    return path, path.with_suffix(".pub").read_text().strip()


def sign_with_ssh(copy: WorkingCopy, key: Path) -> None:
    _set(copy, {"gpg.format": "ssh", "user.signingKey": str(key)})


def _set(copy: WorkingCopy, settings: dict[str, str]) -> None:
    for name, value in {**settings, "commit.gpgSign": "true", "tag.gpgSign": "true"}.items():
        copy.git("config", name, value)
