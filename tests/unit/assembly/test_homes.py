"""One Shipway per home: a lock that dies with its holder."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from shipway.assembly.homes import HomeLock, holder_of
from shipway.base.errors import Conflict

HOLD = """
import sys
from pathlib import Path
from shipway.assembly.homes import HomeLock
with HomeLock(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_nobody_lives_in_a_home_that_is_not_there(tmp_path: Path) -> None:
    assert holder_of(tmp_path / "none") is None


def test_a_second_one_is_told_who_lives_there_and_what_to_do(tmp_path: Path) -> None:
    with HomeLock(tmp_path):
        assert holder_of(tmp_path) == os.getpid()
        with pytest.raises(Conflict) as caught, HomeLock(tmp_path):
            pass
    assert caught.value.reason == "HomeInUse"
    assert caught.value.message == (
        f"a Shipway already lives in {tmp_path} (pid {os.getpid()}): stop it with `shipway down`, or give another --home"
    )
    assert holder_of(tmp_path) is None
    with HomeLock(tmp_path):
        assert holder_of(tmp_path) == os.getpid()


def test_the_kernel_gives_it_back_when_the_holder_is_killed(tmp_path: Path) -> None:
    path = os.pathsep.join(part for part in sys.path if part)
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    env = {"PYTHONPATH": path}
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=env, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        assert holder_of(tmp_path) == holder.pid
        holder.kill()
    assert holder_of(tmp_path) is None
