"""The command line in a shell: what completes, and a pipe that closes early."""

import os
import subprocess
import sys

import pytest

from shipway.cli.main import run

COMPLETE = """
source /dev/stdin
COMP_WORDS=({words}); COMP_CWORD={index}; COMP_LINE="{words}"
$(complete -p shipway | sed 's/.*-F \\([^ ]*\\) .*/\\1/') shipway {last} {before}
printf '%s\\n' "${{COMPREPLY[@]}}"
"""


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["shipway", "ro"], {"rollout"}),
        (["shipway", "rollout", "pro"], {"promote"}),
        (["shipway", "rollout", "promote", "--f"], {"--full"}),
        (["shipway", "app", "get", "-o", "ya"], {"yaml"}),
    ],
    ids=lambda words: " ".join(words) if isinstance(words, list) else "",
)
def test_bash_completes(words: list[str], found: set[str], capsys: pytest.CaptureFixture[str], program) -> None:  # type: ignore[no-untyped-def]
    assert run(["completion", "bash"]) == 0
    script = capsys.readouterr().out
    call = COMPLETE.format(words=" ".join(words), index=len(words) - 1, last=words[-1], before=words[-2])
    done = subprocess.run(
        [program("bash"), "--norc", "-c", call], input=script, capture_output=True, text=True, timeout=90, check=True
    )
    assert (set(done.stdout.split()), done.stderr) == (found, "")


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells_get_a_script_too(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["completion", shell]) == 0
    script = capsys.readouterr().out
    assert all(word in script for word in ("shipway", "rollout", "promote"))


def test_a_pipe_that_closes_early_is_no_error() -> None:
    read, write = os.pipe()
    os.close(read)
    call = [sys.executable, "-m", "shipway.cli.main", "completion", "bash"]
    done = subprocess.run(call, stdout=write, stderr=subprocess.PIPE, timeout=120, check=False)
    os.close(write)
    assert done.stderr == b""
