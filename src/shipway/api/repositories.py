"""What Argo CD users write about their repositories: Secrets labelled `repository` (one URL) and `repo-creds` (a prefix), and
`repository-write` and `repo-write-creds` for whoever pushes rendered manifests.

A `Repository` is one such Secret, read. `Credentials` are what an adapter needs to log in at one URL, put together from the
Secrets that fit. Both hold secrets, so they never show more than their place when they are printed.
"""

import base64
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from shipway.base.errors import InvalidInput
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.secrets import secret_values
from shipway.kube.objects.views import labels_of, name_of

SECRET_TYPE = "argocd.argoproj.io/secret-type"
REPOSITORY, TEMPLATE = "repository", "repo-creds"
WRITE_REPOSITORY, WRITE_TEMPLATE = "repository-write", "repo-write-creds"

TRUE, FALSE = ("1", "t", "T", "TRUE", "true", "True"), ("", "0", "f", "F", "FALSE", "false", "False")
_APP_FIELDS = ("githubAppID", "githubAppInstallationID", "githubAppPrivateKey")
_NOT_YET = (
    "gcpServiceAccountKey",
    "useAzureWorkloadIdentity",
    "azureServicePrincipalClientId",
)
"""Fields that name a way to log in which we do not have."""


class GitHubApp(Struct, frozen=True):
    """A GitHub App that repositories are read as. `installation_id` "": the one for the repository's owner; `base_url`: of
    GitHub Enterprise's API."""

    app_id: str
    installation_id: str
    private_key: str
    base_url: str = ""

    def __repr__(self) -> str:
        return f"GitHubApp({self.app_id})"


class Credentials(Struct, frozen=True):
    """How to log in at one repository. Keys, certificates and known hosts are their text; "" where there is none.

    `known_hosts` None: nobody configured any. `insecure`: neither certificates nor host keys are checked.
    """

    username: str = ""
    password: str = ""
    bearer_token: str = ""
    ssh_key: str = ""
    client_cert: str = ""
    client_key: str = ""
    known_hosts: str | None = None
    ca_bundle: str = ""
    insecure: bool = False
    force_basic: bool = False
    proxy: str = ""
    no_proxy: str = ""
    lfs: bool = False
    project: str = ""
    """The AppProject that the login is for; "" serves all."""
    github_app: GitHubApp | None = None

    def __repr__(self) -> str:
        return f"Credentials({'with' if self.has_login else 'without'} a login)"

    def __rich_repr__(self) -> Any:
        yield repr(self)

    @property
    def has_login(self) -> bool:
        return any((self.username, self.password, self.bearer_token, self.ssh_key, self.github_app))

    @property
    def authorization(self) -> str:
        """The HTTP header of that name, "" without a token and a password."""
        if self.bearer_token:
            return f"Bearer {self.bearer_token.strip()}"
        pair = base64.b64encode(f"{self.username}:{self.password}".encode()).decode()
        return f"Basic {pair}" if self.password else ""

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must appear in no message; the longest first, so that none is left behind in part."""
        app_key = self.github_app.private_key if self.github_app else ""
        found = (self.password, self.bearer_token, self.ssh_key, self.client_key, self.proxy, app_key)
        return tuple(sorted((secret for secret in found if secret), key=len, reverse=True))

    def at(self, username: str, password: str) -> "Credentials":
        """These, or the login that a URL itself brings where there is none."""
        if self.has_login or not (username or password):
            return self
        return replace(self, username=username, password=password)

    def anonymous(self) -> "Credentials":
        """These without saying who we are."""
        nobody = dict.fromkeys(("username", "password", "bearer_token", "ssh_key", "client_cert", "client_key", "project"), "")
        return replace(self, **nobody, github_app=None)

    def over(self, template: "Credentials") -> "Credentials":
        """These, with a template's login where there is none of one's own (Argo CD's rule)."""
        if self.has_login:
            return self
        lent = ("username", "password", "bearer_token", "ssh_key", "client_cert", "client_key", "proxy", "no_proxy")
        filled = {name: getattr(self, name) or getattr(template, name) for name in lent}
        filled["github_app"] = template.github_app
        return replace(self, **filled, force_basic=self.force_basic or template.force_basic)


class Repository(Struct, frozen=True):
    """One Secret about repositories. `problem` says why it cannot be used, "" if it can; `project` "" serves all. `writes`: it
    is for pushing, and for nothing else."""

    url: str
    secret: str
    is_template: bool = False
    name: str = ""
    type: str = "git"
    is_oci: bool = False
    project: str = ""
    credentials: Credentials = Credentials()
    problem: str = ""
    writes: bool = False

    def __repr__(self) -> str:
        return f"Repository(Secret {self.secret})"


def _is_on(value: str) -> bool:
    return value in TRUE


def parse_repository(secret: Obj) -> Repository | None:
    """The repository or template that a Secret describes; None for any other Secret."""
    kind = labels_of(secret).get(SECRET_TYPE)
    values = secret_values(secret)
    url = values.get("url", "").strip()
    if kind not in (REPOSITORY, TEMPLATE, WRITE_REPOSITORY, WRITE_TEMPLATE) or not url:
        return None
    name = name_of(secret)
    flags = ("insecure", "insecureIgnoreHostKey", "forceHttpBasicAuth", "enableLfs")
    wrong = [flag for flag in flags if values.get(flag, "") not in (*TRUE, *FALSE)]
    later = [field for field in _NOT_YET if values.get(field, "") not in FALSE]
    problem = ""
    if later:
        problem = f"Secret {name}: {later[0]} is not supported yet: log in by password, token or SSH key"
    elif wrong:
        problem = f"Secret {name}: {wrong[0]} must be true or false"
    elif bool(values.get("tlsClientCertData")) != bool(values.get("tlsClientCertKey")):
        problem = f"Secret {name}: tlsClientCertData and tlsClientCertKey belong together: one is missing"
    else:
        problem = _app_problem(name, values)
    is_on = {flag: _is_on(values.get(flag, "")) for flag in flags}
    return Repository(
        url=url,
        secret=name,
        is_template=kind in (TEMPLATE, WRITE_TEMPLATE),
        writes=kind in (WRITE_REPOSITORY, WRITE_TEMPLATE),
        name=values.get("name", ""),
        type=values.get("type") or "git",
        is_oci=values.get("type") == "oci" or _is_on(values.get("enableOCI", "")),
        project=values.get("project", ""),
        problem=problem,
        credentials=Credentials(
            username=values.get("username", ""),
            password=values.get("password", ""),
            bearer_token=values.get("bearerToken", ""),
            ssh_key=values.get("sshPrivateKey", ""),
            client_cert=values.get("tlsClientCertData", ""),
            client_key=values.get("tlsClientCertKey", ""),
            insecure=is_on["insecure"] or is_on["insecureIgnoreHostKey"],
            force_basic=is_on["forceHttpBasicAuth"],
            proxy=values.get("proxy", ""),
            no_proxy=values.get("noProxy", ""),
            lfs=is_on["enableLfs"],
            github_app=_github_app(values),
            project=values.get("project", ""),
        ),
    )


def github_app_of(secret: Obj) -> GitHubApp:
    """The App that a Secret holds under Argo CD's keys, whatever else it is for. Raises `InvalidInput` (InvalidLogin)."""
    name, values = name_of(secret), secret_values(secret)
    app, problem = _github_app(values), _app_problem(name, values)
    if app is None or problem:
        missing = f"Secret {name} holds no GitHub App: give githubAppID and githubAppPrivateKey"
        raise InvalidInput(problem or missing, reason="InvalidLogin")
    return app


def _github_app(values: dict[str, str]) -> GitHubApp | None:
    said = {field: values.get(field, "").strip() for field in (*_APP_FIELDS, "githubAppEnterpriseBaseUrl")}
    if not said["githubAppPrivateKey"]:
        return None
    return GitHubApp(
        said["githubAppID"], said["githubAppInstallationID"], said["githubAppPrivateKey"], said["githubAppEnterpriseBaseUrl"]
    )


def _app_problem(name: str, values: dict[str, str]) -> str:
    """What is wrong with the fields of a GitHub App."""
    said = {field: values.get(field, "").strip() for field in _APP_FIELDS}
    if not any(said.values()):
        return ""
    for field in ("githubAppID", "githubAppPrivateKey"):
        if not said[field]:
            return f"Secret {name}: {field} is missing: a GitHub App logs in by its id and its private key"
    base = values.get("githubAppEnterpriseBaseUrl", "").strip()
    if base and not base.startswith(("https://", "http://")):
        return f"Secret {name}: githubAppEnterpriseBaseUrl is no URL: write it like https://ghe.example.com/api/v3"
    if not said["githubAppID"].isalnum() or not (said["githubAppInstallationID"] or "0").isdigit():
        return f"Secret {name}: githubAppID and githubAppInstallationID are the numbers that GitHub shows"
    return ""


def repository_secret(namespace: str, url: str, is_template: bool, values: dict[str, str]) -> Obj:
    """The Secret that says how to log in at `url`, named as Argo CD's command line names it."""
    kind = TEMPLATE if is_template else REPOSITORY
    name = f"{'creds' if is_template else 'repo'}-{_fnv32a(url + values.get('project', ''))}"
    meta = {"namespace": namespace, "name": name, "labels": {SECRET_TYPE: kind}}
    data = {"url": url, **values}
    encoded = {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": meta, "data": encoded}


def _fnv32a(text: str) -> int:
    state = 0x811C9DC5
    for byte in text.encode():
        state = (state ^ byte) * 0x01000193 & 0xFFFFFFFF
    return state
