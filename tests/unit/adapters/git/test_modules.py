"""Which repository a submodule means, and which it may not mean."""

import pytest

from shipway.adapters.git.lfs import Pointer, pointer_in
from shipway.adapters.git.modules import module_url
from shipway.base.errors import InvalidInput

HTTPS, SSH, SCP = "https://git.example/org/shop.git", "ssh://git@git.example:7999/org/shop", "git@git.example:org/shop.git"


def listed(url: str, path: str = "lib") -> bytes:
    return (
        f'[core]\n\turl = no\n# x\n[submodule "a \\"name\\""] ; y\n\tbranch = main\n\tpath = {path}\n\turl = {url}\n'.encode()
    )


@pytest.mark.parametrize(
    ("url", "parent", "meant"),
    [
        ("https://other.example/lib.git", HTTPS, "https://other.example/lib.git"),
        ("git@other.example:lib.git", HTTPS, "git@other.example:lib.git"),
        ("../lib.git", HTTPS, "https://git.example/org/lib.git"),
        ("../../team/lib.git", HTTPS, "https://git.example/team/lib.git"),
        ("./lib", HTTPS, "https://git.example/org/shop.git/lib"),
        ("../lib", SSH, "ssh://git@git.example:7999/org/lib"),
        ("../lib.git", SCP, "git@git.example:org/lib.git"),
        ("../../lib.git", SCP, "git@git.example:lib.git"),
        ("../lib.git", "file:///srv/git/shop.git", "file:///srv/git/lib.git"),
        ("file:///srv/git/lib.git", "/srv/git/shop.git", "file:///srv/git/lib.git"),
    ],
)
def test_where_a_submodule_comes_from(url: str, parent: str, meant: str) -> None:
    assert module_url(listed(url), "lib", parent) == meant


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("file:///etc", "lies on this machine"),
        ("/etc", "lies on this machine"),
        ("ext::sh -c true", "is not allowed"),
        ("--upload-pack=x", "is not allowed"),
        ("javascript://x", "is not allowed"),
        ("../../../x", "leaves the host"),
        ("", "without a URL"),
    ],
)
def test_what_a_commit_may_not_name(url: str, says: str) -> None:
    with pytest.raises(InvalidInput, match=says) as caught:
        module_url(listed(url), "lib", HTTPS)
    assert caught.value.reason == "InvalidSubmodule"


@pytest.mark.parametrize(
    "text", [b"", b"[submodule", b"\xff\xfe", listed("https://x/y", "other"), b"path = lib\nurl = https://x"]
)
def test_a_submodule_that_nobody_lists_is_said(text: bytes) -> None:
    with pytest.raises(InvalidInput, match=r"lib is a submodule without a URL: add it to \.gitmodules"):
        module_url(text, "lib", HTTPS)


def test_pointers() -> None:
    oid = "a" * 64
    text = f"version https://git-lfs.github.com/spec/v1\noid sha256:{oid}\nsize 12345\n".encode()
    assert pointer_in(text) == Pointer(oid, 12345)
    assert pointer_in(text.replace(b"oid", b"ext-0-foo sha256:00\noid")) == Pointer(oid, 12345)
    for other in (b"", text + b"more", b"x" + text, text.replace(b"sha256", b"md5"), text + b"\n" * 2000):
        assert pointer_in(other) is None
