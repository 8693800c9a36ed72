"""Messages of exec and attach, and which commands take the pod's directory for the root."""

import json

import pytest

from shipway.localcluster.node.streaming.channels import OUTCOME, TerminalSize, outcome, said
from shipway.localcluster.node.streaming.child import confined


@pytest.mark.parametrize(
    ("message", "meaning"),
    [
        (b"\x00hello", ("input", b"hello")),
        (b"\x00", ("input", b"")),
        (b"\xff\x00", ("end", None)),
        (b"\xff\x01", None),
        (b'\x04{"Width": 120, "Height": 40}', ("size", TerminalSize(120, 40))),
        (b"\x04nonsense", None),
        (b"\x09?", None),
        (b"", None),
    ],
)
def test_what_a_client_says(message, meaning):
    assert said(message) == meaning


@pytest.mark.parametrize(("code", "status"), [(0, "Success"), (3, "Failure")])
def test_how_a_command_ended(code, status):
    message = outcome(code)
    found = json.loads(message[1:])
    assert (message[0], found["status"]) == (OUTCOME, status)
    if code:
        assert found["reason"] == "NonZeroExitCode"
        assert found["details"]["causes"] == [{"reason": "ExitCode", "message": str(code)}]


@pytest.mark.parametrize(
    ("command", "run"),
    [
        (["tar", "xmf", "-", "-C", "/tmp"], ["tar", "xmf", "-", "-C", "tmp"]),
        (["/usr/bin/tar", "cf", "-", "/"], ["/usr/bin/tar", "cf", "-", "."]),
        (["test", "-d", "/var/lib"], ["test", "-d", "var/lib"]),
        (["ls", "/tmp"], ["ls", "/tmp"]),
        (["sh", "-c", "tar /x"], ["sh", "-c", "tar /x"]),
    ],
)
def test_the_root_of_a_copy_is_the_pod_s_directory(command, run):
    assert confined(command) == run
