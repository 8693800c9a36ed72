"""The sample shop's repository and the person who pushes to it.

`SampleShop.create` lays out three services (plain YAML, Kustomize, Helm), commits and pushes them; afterwards every chapter
of the story is a commit made the way a developer makes one: edit a file, commit, push. Real git, no shortcuts.
"""

import asyncio
import re
import shutil
from importlib.resources import as_file, files
from pathlib import Path
from string import Template

from shipway.base.errors import Unavailable

BRANCH = "main"
ECHO_IMAGE = "builtin/echo"
GIT_TIMEOUT_SECONDS = 30.0
_IMAGE_LINE = re.compile(r"(?m)^(\s*image: \S+:)\S+$")
_IDENTITY = {
    "GIT_AUTHOR_NAME": "Ada Developer",
    "GIT_AUTHOR_EMAIL": "ada@shop.example",
    "GIT_COMMITTER_NAME": "Ada Developer",
    "GIT_COMMITTER_EMAIL": "ada@shop.example",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_TERMINAL_PROMPT": "0",
}


class SampleShop:
    """A working copy at `directory` whose origin is `repo_url`."""

    def __init__(self, directory: Path, repo_url: str, path_env: str) -> None:
        self._directory = directory
        self._env = {**_IDENTITY, "PATH": path_env, "HOME": str(directory)}
        self.repo_url = repo_url

    async def create(self, metrics_url: str = "", web_image: str = ECHO_IMAGE, layout: str = "shop") -> None:
        """Writes the first version of every service and pushes it.

        `metrics_url` is where the proxy serves its counters; `web_image` is the image of `web` without its tag; `layout` is the
        folder beside this module that the repository begins with.
        """
        if self._directory.exists():
            shutil.rmtree(self._directory)
        with as_file(files("shipway.demo") / layout) as template:
            shutil.copytree(template, self._directory)
        for path in self._directory.rglob("*.yaml"):
            text = path.read_text()
            path.write_text(
                Template(text).safe_substitute(metrics_url=metrics_url, repo_url=self.repo_url, web_image=web_image)
            )
        await self.git("init", "-q", "-b", BRANCH)
        await self.git("remote", "add", "origin", self.repo_url)
        await self.commit_and_push("Open the shop", force=True)

    def applications(self) -> str:
        """The three Applications, as text an Argo CD user would `kubectl apply`."""
        return (self._directory / "argocd" / "applications.yaml").read_text()

    def read(self, path: str) -> str:
        """A file of the working copy."""
        return (self._directory / path).read_text()

    async def release(self, version: str) -> str:
        """Bumps the image of `web` to `version` and pushes. Returns the commit."""
        rollout = self._directory / "apps" / "web" / "rollout.yaml"
        rollout.write_text(_IMAGE_LINE.sub(rf"\g<1>{version}", rollout.read_text()))
        return await self.commit_and_push(f"Release web {version}")

    async def drop_banner(self) -> str:
        """Deletes a manifest of `catalog` and pushes. Returns the commit."""
        overlay = self._directory / "apps" / "catalog" / "overlays" / "demo"
        (overlay / "banner.yaml").unlink()
        kustomization = overlay / "kustomization.yaml"
        kustomization.write_text(kustomization.read_text().replace("  - banner.yaml\n", ""))
        return await self.commit_and_push("The sale is over")

    async def commit_and_push(self, message: str, *, force: bool = False) -> str:
        await self.git("add", "--all")
        await self.git("commit", "-q", "-m", message)
        await self.git("push", "-q", *(["--force"] if force else []), "origin", BRANCH)
        return (await self.git("rev-parse", "HEAD")).strip()

    async def git(self, *arguments: str) -> str:
        """Runs git in the working copy; raises `Unavailable` with git's own words."""
        process = await asyncio.create_subprocess_exec(
            "git",
            *arguments,
            cwd=self._directory,
            env=self._env,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
        try:
            async with asyncio.timeout(GIT_TIMEOUT_SECONDS):
                out, err = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        if process.returncode:
            raise Unavailable(f"git {arguments[0]} in {self._directory} failed: {err.decode().strip()}", reason="GitFailed")
        return out.decode()
