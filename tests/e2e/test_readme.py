"""What the README says to type works as written."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
SECTION = "## Try it with your own kubectl"


def block_of(section: str) -> str:
    """The first code block of a section."""
    _, _, rest = (ROOT / "README.md").read_text().partition(f"\n{section}\n")
    found = re.search(r"```\n(.*?)```", rest, re.DOTALL)
    assert found, f"the README has no commands under {section!r}"
    return found[1]


@pytest.mark.proves("apiserver:readme-kubectl")
def test_try_it_with_your_own_kubectl(tmp_path: Path) -> None:
    binaries = Path(sys.executable).parent
    commands = block_of(SECTION).replace(".venv/bin/", f"{binaries}/")
    home = {"HOME": str(tmp_path), "XDG_DATA_HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path)}
    environment = {**os.environ, **home, "PATH": f"{os.environ['PATH']}{os.pathsep}{binaries}"}
    environment.pop("KUBECONFIG", None)
    try:
        ran = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", commands], env=environment, cwd=ROOT, capture_output=True, text=True, timeout=240
        )
    finally:
        subprocess.run([binaries / "shipway", "down"], env=environment, capture_output=True, timeout=60, check=False)
    assert ran.returncode == 0, f"{ran.stdout}\n{ran.stderr}"
    for said in ("deployment.apps/web created", "successfully rolled out", "serving on http://", "DeploymentStrategy", "yes"):
        assert said in ran.stdout
    assert 'deployment.apps "web" deleted' in ran.stdout
