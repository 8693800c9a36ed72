"""`shipway completion`: the script that lets a shell complete our commands and flags, as kubectl has it."""

import sys
from typing import Literal

from shipway.cli.main import build_app


def completion(shell: Literal["bash", "zsh", "fish"], /) -> int:
    """Print the completion script of a shell: `source <(shipway completion bash)`.

    Parameters
    ----------
    shell
        bash, zsh or fish.
    """
    sys.stdout.write(build_app().generate_completion(prog_name="shipway", shell=shell))
    return 0
