"""Charts in an OCI registry, by its HTTP API (OCI distribution-spec 1.1): tags, manifests, blobs, and tokens where asked.

A registry on this machine is spoken to without TLS, as Docker does.
"""

import hashlib
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode, urljoin, urlsplit

import orjson
from msgspec import Struct

from shipway.adapters.charts.remote import Answer, Remote
from shipway.adapters.charts.versions import LATEST, chosen
from shipway.api.repositories import Credentials
from shipway.base.errors import Denied, InvalidInput, NotFound, Unavailable
from shipway.base.semver import parse_range

MAX_ARCHIVE = 32 << 20
MAX_DOCUMENT = 4 << 20
MAX_TAG_PAGES = 50
CHART_LAYER = "application/vnd.cncf.helm.chart.content.v1.tar+gzip"
ARTIFACT_LAYERS = (
    "application/vnd.oci.image.layer.v1.tar",
    "application/vnd.oci.image.layer.v1.tar+gzip",
    "application/vnd.docker.image.rootfs.diff.tar.gzip",
)
_NAME = re.compile(r"[a-z0-9]+([._/-]+[a-z0-9]+)*")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_MANIFESTS = "application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json"
_HERE = re.compile(r"(localhost|127\.\d+\.\d+\.\d+|\[::1\])(:\d+)?")
_CHALLENGE = re.compile(r'(\w+)="([^"]*)"')


class Layer(Struct, frozen=True):
    """An archive in the registry. `revision`: the chart's version, or the digest of the artifact's manifest."""

    revision: str
    digest: str
    is_chart: bool


class Registry:
    """`host/path`, with or without `oci://` before it."""

    def __init__(self, url: str, remote: Remote) -> None:
        host, _, path = url.removeprefix("oci://").strip("/").partition("/")
        self.host = host
        self._path = path
        self._remote = remote
        self._base = f"{'http' if _HERE.fullmatch(host) else 'https'}://{host}/v2/"
        self._tokens: dict[tuple[str, Credentials], str] = {}

    async def find(self, chart: str, wanted: str, login: Credentials) -> Layer:
        """The one layer of a chart, or with `chart` "" of the artifact that the registry's path names.

        Raises `NotFound` (RevisionNotFound, ChartNotFound), `InvalidInput` (NotAChart, DigestMismatch).
        """
        name = self._name(chart)
        reference = wanted
        if not wanted.startswith("sha256:") and (wanted in LATEST or parse_range(wanted) is not None):
            tags = await self._tags(name, login)
            reference = chosen([tag.replace("_", "+") for tag in tags], wanted, f"{self.host}/{name}")
        answer = await self._get(f"{name}/manifests/{reference.replace('+', '_')}", name, login, {"Accept": _MANIFESTS})
        manifest = f"sha256:{hashlib.sha256(answer.body).hexdigest()}"
        if reference.startswith("sha256:") and manifest != reference:
            raise InvalidInput(f"{self.host}/{name}@{reference}: the registry sent another manifest", reason="DigestMismatch")
        layers = _listed(answer, "layers")
        charts = [layer for layer in layers if layer.get("mediaType") == CHART_LAYER]
        plain = [layer for layer in layers if layer.get("mediaType") in ARTIFACT_LAYERS] if not chart else []
        fitting = charts or plain
        if len(fitting) != 1 or not _DIGEST.fullmatch(str(fitting[0].get("digest"))):
            what = "a Helm chart" if chart else "a Helm chart or an artifact of one tar layer"
            raise InvalidInput(f"{self.host}/{name}:{reference} is not {what}", reason="NotAChart")
        return Layer(reference if chart else manifest, str(fitting[0]["digest"]), is_chart=bool(charts))

    async def download(self, chart: str, layer: Layer, login: Credentials) -> bytes:
        """The archive, checked against its digest."""
        name = self._name(chart)
        answer = await self._get(f"{name}/blobs/{layer.digest}", name, login, largest=MAX_ARCHIVE)
        if f"sha256:{hashlib.sha256(answer.body).hexdigest()}" != layer.digest:
            raise InvalidInput(f"{self.host}/{name}@{layer.digest}: what came has another digest", reason="DigestMismatch")
        return answer.body

    def _name(self, chart: str) -> str:
        name = "/".join(part for part in (self._path, chart) if part)
        if not _NAME.fullmatch(name):
            raise InvalidInput(
                f"{name!r} is no name in a registry: correct spec.source.repoURL or chart", reason="InvalidSource"
            )
        return name

    async def _tags(self, name: str, login: Credentials) -> list[str]:
        found: list[str] = []
        path = f"{name}/tags/list"
        for _ in range(MAX_TAG_PAGES):
            answer = await self._get(path, name, login)
            found += [str(tag) for tag in _document(answer).get("tags") or ()]
            following = re.match(r"<([^>]+)>", answer.headers.get("Link", ""))
            if following is None:
                return found
            path = urljoin(f"{self._base}{path}", following[1]).removeprefix(self._base)
        raise InvalidInput(
            f"{self.host}/{name}: too many tags: name an exact targetRevision by digest", reason="SourceTooLarge"
        )

    async def _get(
        self,
        path: str,
        name: str,
        login: Credentials,
        headers: Mapping[str, str] | None = None,
        largest: int = MAX_DOCUMENT,
    ) -> Answer:
        url, key = self._base + path, (name, login)
        for _ in range(2):
            token = self._tokens.get(key)
            bearer = {"Authorization": f"Bearer {token}"} if token else {}
            answer = await self._remote.get(url, login, largest=largest, headers={**(headers or {}), **bearer})
            challenge = answer.headers.get("WWW-Authenticate", "")
            if answer.status != 401 or not challenge.lower().startswith("bearer"):
                return self._checked(answer, url)
            self._tokens.pop(key, None)
            self._tokens[key] = await self._token(challenge, name, login)
        raise Denied(f"{url}: the registry does not take its own token", reason="ChartDenied")

    async def _token(self, challenge: str, name: str, login: Credentials) -> str:
        """An access token as the registry's challenge asks for it (token specification of the Docker registry)."""
        said = dict(_CHALLENGE.findall(challenge))
        realm = said.get("realm", "")
        if urlsplit(realm).scheme not in ("http", "https") or (self._base.startswith("https:") and realm.startswith("http:")):
            raise Denied(f"{self.host}: asks for a token at {realm!r}, which is not an HTTPS URL", reason="ChartDenied")
        query = {
            "scope": said.get("scope") or f"repository:{name}:pull",
            **({"service": s} if (s := said.get("service")) else {}),
        }
        answer = await self._remote.get(f"{realm}?{urlencode(query)}", login, largest=MAX_DOCUMENT)
        document = _document(answer) if answer.status == 200 else {}
        token = document.get("token") or document.get("access_token")
        if not token:
            raise Denied(
                f"{self.host}: no access to {name}: the token service answered {answer.status}: give a login in a repository "
                "Secret",
                reason="ChartDenied",
            )
        return str(token)

    def _checked(self, answer: Answer, url: str) -> Answer:
        if answer.status == 200:
            return answer
        if answer.status in (401, 403):
            raise Denied(
                f"{url}: the registry answered {answer.status}: give its login in a repository Secret", reason="ChartDenied"
            )
        if answer.status == 404:
            raise NotFound(f"{url}: not found: correct spec.source.repoURL, chart or targetRevision", reason="ChartNotFound")
        raise Unavailable(f"{url}: the registry answered {answer.status}", reason="ChartFailed")


def _document(answer: Answer) -> dict[str, Any]:
    try:
        found = orjson.loads(answer.body)
    except orjson.JSONDecodeError:
        raise Unavailable("the registry sent something that is not JSON", reason="ChartFailed") from None
    return found if isinstance(found, dict) else {}


def _listed(answer: Answer, key: str) -> list[dict[str, Any]]:
    found = _document(answer).get(key)
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []
