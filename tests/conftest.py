"""What every test may ask for: the programs around us, and a real control plane.

On a laptop a test whose program is missing is skipped with one line that says how to get it. In CI (`CI=true`) a skipped
test is a failure: a green run there means that everything ran.
"""

import functools
import gc
import os
import shutil
from collections.abc import AsyncGenerator, Callable, Generator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import structlog
from hypothesis import HealthCheck, settings
from xdist.scheduler import LoadScopeScheduling

from tests.effort import examples
from tests.kube import installation
from tests.kube.control_plane import ControlPlane, needed_binary

# Laws are about what holds, not about how fast this machine is today.
settings.register_profile("house", deadline=None, max_examples=examples(100), suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("house")
# As `shipway run` logs: a picture of every frame costs half a second for each pass that a test makes fail.
structlog.configure(
    processors=[
        *structlog.get_config()["processors"][:-1],
        structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback),
    ]
)

IN_CI = os.environ.get("CI") == "true"


class ByFile(LoadScopeScheduling):
    """Hands whole files to the processes of one run, and all that need the real control plane to the same one.

    `tests/clients` is one such file: its two clusters are shared by the folder.
    A file's tests share what is dear to make (a demo, a cluster); the control plane is the dearest and is made once.
    """

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        if file.startswith("tests/clients/"):
            return "clients"
        return "real control plane" if _needs_control_plane(self.config.rootpath / file) else file


@functools.cache
def _needs_control_plane(file: Path) -> bool:
    return "real_control_plane" in file.read_text()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling | None:
    """`--dist loadscope` means our scopes; other ways stay as they are."""
    return ByFile(config, log) if config.getoption("dist") == "loadscope" else None


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """What collecting makes stays to the end: the garbage collector need not look through it, now or later."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item):
    """In CI a skip fails, with the reason that was given for it."""
    outcome = yield
    report: pytest.TestReport = outcome.get_result()
    if IN_CI and report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        report.outcome, report.longrepr = "failed", f"{item.nodeid} may not be skipped in CI. {reason}"


@pytest.hookimpl(hookwrapper=True)
def pytest_make_collect_report(collector: pytest.Collector):
    """The same for a whole file that skips itself."""
    outcome = yield
    report: pytest.CollectReport = outcome.get_result()
    if IN_CI and report.outcome == "skipped":
        report.outcome, report.longrepr = "failed", f"{collector.nodeid} may not be skipped in CI. {report.longrepr}"


@pytest.fixture(scope="session")
def program() -> Callable[[str], str]:
    """`program("prometheus")` is the path of a program; skips the test when it is not installed."""

    def find(name: str) -> str:
        root = Path(__file__).parent.parent
        ours = [root / ".venv" / "bin" / name, root / ".cache" / "tools" / name]
        beside = next((str(path) for path in ours if path.exists()), None)
        debian = sorted(map(str, Path("/usr/lib/postgresql").glob("*/bin")), reverse=True)
        places = (os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin", *debian)
        found = beside or shutil.which(name, path=os.pathsep.join(places))
        if not found:
            pytest.skip(f"{name} is not installed: run `make tools`")
        return found

    return find


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def real_control_plane(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[ControlPlane, None]:
    """A running etcd, API server, controller manager and scheduler, shared by the session: use a namespace of your own."""
    binary = needed_binary()
    async with ControlPlane.start(binary, tmp_path_factory.mktemp("kube")) as plane:
        print(f"real control plane ready after {plane.ready_after:.1f} s")
        yield plane


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def shipway_account(real_control_plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The kubeconfig of Shipway's ServiceAccount on the real control plane, with exactly the rules of `deploy/`."""
    return await installation.install(real_control_plane.kubeconfig, tmp_path_factory.mktemp("account"))
