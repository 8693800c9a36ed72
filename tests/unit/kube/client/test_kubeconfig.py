"""Kubeconfigs: merging, relative paths, what wins, and what is refused."""

from pathlib import Path

import pytest

from shipway.base.errors import InvalidInput
from shipway.kube.client.kubeconfig import ClusterConfig, in_cluster_config, load_kubeconfig

FIRST = """
apiVersion: v1
kind: Config
current-context: one
clusters:
- name: a
  cluster: {server: "https://a:6443/", certificate-authority: ca.pem}
contexts:
- name: one
  context: {cluster: a, user: u, namespace: shop}
users:
- name: u
  user: {client-certificate: certs/u.pem, client-key: certs/u.key}
"""
SECOND = """
current-context: two
clusters:
- name: a
  cluster: {server: "https://other:1"}
- name: b
  cluster: {server: "http://b:8080", insecure-skip-tls-verify: true, tls-server-name: real, proxy-url: "http://p:3128"}
contexts:
- name: two
  context: {cluster: b, user: t}
- name: three
  context: {cluster: b, user: plugin}
- name: four
  context: {cluster: b, user: absent}
- name: five
  context: {cluster: absent, user: t}
users:
- name: t
  user: {token: sesame, tokenFile: token, as: bob, as-groups: [v, w]}
- name: plugin
  user:
    exec: {apiVersion: client.authentication.k8s.io/v1beta1, command: ./get-token, args: [a, 1], env: [{name: K, value: v}]}
"""


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    first, second = tmp_path / "one" / "config", tmp_path / "two" / "config"
    first.write_text(FIRST)
    second.write_text(SECOND)
    return first, second


def both(files: tuple[Path, Path], context: str | None = None, **environ: str) -> ClusterConfig:
    return load_kubeconfig(None, context, environ={"KUBECONFIG": f"{files[0]}:/absent/file:{files[1]}", **environ})


def test_the_first_file_wins_and_paths_are_relative_to_it(files: tuple[Path, Path]) -> None:
    config = both(files)
    folder = files[0].parent
    assert (config.server, config.namespace, config.context) == ("https://a:6443", "shop", "one")
    assert config.ca_file == str(folder / "ca.pem")
    assert config.client_cert_file == str(folder / "certs" / "u.pem")
    assert config.client_key_file == str(folder / "certs" / "u.key")


def test_another_context_from_another_file(files: tuple[Path, Path]) -> None:
    config = both(files, "two")
    assert (config.server, config.namespace) == ("http://b:8080", "default")
    assert (config.insecure, config.tls_server_name, config.proxy_url) == (True, "real", "http://p:3128")
    assert (config.token, config.token_file) == ("sesame", str(files[1].parent / "token"))
    assert config.impersonate == (("impersonate-user", "bob"), ("impersonate-group", "v"), ("impersonate-group", "w"))


def test_an_exec_plugin_is_resolved_against_its_file(files: tuple[Path, Path]) -> None:
    plugin = both(files, "three").plugin
    assert plugin is not None
    assert plugin.command == str(files[1].parent / "get-token")
    assert (plugin.args, plugin.env) == (("a", "1"), (("K", "v"),))


@pytest.mark.parametrize(
    ("context", "said"),
    [("absent", "there are: five, four, one, three, two"), ("four", 'user "absent"'), ("five", 'cluster "absent"')],
)
def test_what_is_missing_is_named(files: tuple[Path, Path], context: str, said: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        both(files, context)
    assert said in caught.value.message


@pytest.mark.parametrize(
    "text",
    ["- a list", "clusters: [{cluster: {}}]", "clusters: 3", "a: [", "users: [{name: a}, {name: a}]", "clusters: [3]"],
)
def test_broken_files_are_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "config"
    file.write_text(text)
    with pytest.raises(InvalidInput) as caught:
        load_kubeconfig(file)
    assert str(file) in caught.value.message


def test_no_file_anywhere(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="no kubeconfig found"):
        load_kubeconfig(None, environ={"HOME": str(tmp_path)})
    with pytest.raises(InvalidInput, match="does not exist"):
        load_kubeconfig(tmp_path / "absent")


def test_no_current_context(tmp_path: Path) -> None:
    (tmp_path / "config").write_text("contexts: [{name: only, context: {}}]")
    with pytest.raises(InvalidInput, match="--context"):
        load_kubeconfig(tmp_path / "config")


@pytest.mark.parametrize(
    ("server", "environ", "proxy"),
    [
        ("https://a:6443", {"HTTPS_PROXY": "http://p:1"}, "http://p:1"),
        ("https://a.corp:6443", {"https_proxy": "http://p:1", "NO_PROXY": ".corp"}, ""),
        ("https://a:6443", {"http_proxy": "http://p:1"}, ""),
        ("https://127.0.0.1:6443", {"HTTPS_PROXY": "http://p:1"}, ""),
    ],
)
def test_the_environments_proxy(tmp_path: Path, server: str, environ: dict[str, str], proxy: str) -> None:
    (tmp_path / "config").write_text(
        f"{{current-context: c, contexts: [{{name: c, context: {{cluster: k}}}}], "
        f'clusters: [{{name: k, cluster: {{server: "{server}"}}}}]}}'
    )
    assert load_kubeconfig(tmp_path / "config", environ=environ).proxy_url == proxy


def test_a_pods_own_account(tmp_path: Path) -> None:
    environ = {"KUBERNETES_SERVICE_HOST": "fd00::1", "KUBERNETES_SERVICE_PORT": "443"}
    assert in_cluster_config(environ, tmp_path) is None
    (tmp_path / "token").write_text("t")
    (tmp_path / "namespace").write_text("ship\n")
    config = in_cluster_config(environ, tmp_path)
    assert config is not None
    assert (config.server, config.namespace, config.token_file) == ("https://[fd00::1]:443", "ship", str(tmp_path / "token"))
    assert in_cluster_config({}, tmp_path) is None


def test_credentials_do_not_show() -> None:
    config = ClusterConfig(server="https://a", token="sesame", password="open", client_key_data=b"key")
    assert "sesame" not in repr(config) and "open" not in repr(config) and "key" not in repr(config)
