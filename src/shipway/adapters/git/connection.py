"""Does a repository answer to a login? One look, nothing is fetched and nothing is kept."""

import tempfile
from pathlib import Path

from shipway.adapters.git.failure import unreachable
from shipway.adapters.git.github_app import InstallationTokens
from shipway.adapters.git.login import Access
from shipway.adapters.git.program import Git
from shipway.adapters.git.urls import parse_remote, redact
from shipway.api.repositories import Credentials
from shipway.base.clock import SystemClock
from shipway.base.errors import Unavailable

_PATIENCE = 30.0


async def connect(url: str, credentials: Credentials) -> None:
    """Returns when the remote lets us look at it. Raises `Unavailable` with the reason and what to do, `InvalidInput`
    (InvalidRepository, InvalidLogin) for what cannot be tried."""
    remote = parse_remote(url)
    with tempfile.TemporaryDirectory(prefix="shipway-") as home:
        git = Git(Path(home), timeout_seconds=_PATIENCE)
        git.prepare()
        access = await InstallationTokens(SystemClock()).login(credentials.at(remote.username, remote.password), remote.address)
        try:
            ask = ("ls-remote", "--quiet", "--", remote.address, "HEAD")
            await git.run(ask, cwd=Path(home), access=Access(remote.address, access))
        except Unavailable as error:
            raise unreachable(redact(remote.address), error, _PATIENCE) from None
