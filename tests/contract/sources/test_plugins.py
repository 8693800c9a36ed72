"""Config-management plugins, as users of Argo CD declared them: what they see, what they give, and how far they can go.

Real commands in a real worker, behind the walls that this kernel gives.
"""

import asyncio
import os
from typing import Any

import pytest

from shipway.adapters.plugins.declaration import Plugin, plugin_of
from shipway.base.errors import InvalidInput, ShipwayError, Unavailable
from tests.contract.sources.rendering import Bench, named, only
from tests.e2e.running import commands_with
from tests.waiting import eventually

CM = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: %s}\n"
FILES = {
    "app/names.txt": "one\ntwo\n",
    "app/shared/x.tmpl": "x",
    "chart/Chart.yaml": "apiVersion: v2\nname: c\nversion: 0.1.0\n",
    "chart/templates/cm.yaml": CM % "of-the-chart",
    "plain/a.yaml": CM % "a",
    "lib/prefix": "from-lib",
}
NAMES = r"""
while read -r name; do
  printf -- '---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: %s}\ndata: {lib: %s, made: "%s"}\n' \
    "$name" "$(cat ../lib/prefix)" "$(cat made-by-init)"
done < names.txt
"""
ENVIRONMENT = r"""
printf 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: env}\ndata:\n'
env | sort | grep -v '^_=' | while IFS='=' read -r name value; do printf "  %s: '%s'\n" "$name" "$value"; done
"""


def declared(name: str, script: str, **spec: Any) -> Plugin:
    metadata: dict[str, Any] = {"name": name, **spec.pop("metadata", {})}
    body = {"generate": {"command": ["sh", "-c"], "args": [script]}, **spec}
    return plugin_of(
        {"apiVersion": "argoproj.io/v1alpha1", "kind": "ConfigManagementPlugin", "metadata": metadata, "spec": body}
    )


@pytest.fixture
async def bench_of(tmp_path):
    """`bench_of(plugins)` renders with these; the repository is the one above."""
    made: list[Bench] = []

    def build(*plugins: Plugin, **more: Any) -> Bench:
        made.append(Bench(tmp_path, FILES))
        made[-1].declare(*plugins, **more)
        return made[-1]

    yield build
    for bench in made:
        await bench.close()


def source(plugin: str, **more: Any) -> dict[str, Any]:
    return {"path": "app", "plugin": {"name": plugin, **more}}


@pytest.mark.proves("000-28", "001-16")
@pytest.mark.compat("argocd:spec.source.plugin")
async def test_init_then_generate_in_a_copy_of_the_whole_repository(bench_of):
    init = {"command": ["sh"], "args": ["-c", "echo init > made-by-init"]}
    bench = bench_of(declared("names", NAMES, init=init, version="v1"))
    rendered = await bench.render(source("names-v1"))
    assert (rendered.source_type, rendered.tool, rendered.warnings) == ("Plugin", "names-v1", ())
    assert named(rendered) == ["ConfigMap/one", "ConfigMap/two"]
    assert rendered.objects[0]["data"] == {"lib": "from-lib", "made": "init"}
    assert rendered.origins[1] == "names-v1 (generated):7"
    again = await bench.render(source("names-v1"))
    assert (again, bench.renderer.renders) == (rendered, {"app": 2})  # the first only told that it lacks the revision
    bench.push({"app/names.txt": "three\n"})
    assert named(await bench.render(source("names-v1"))) == ["ConfigMap/three"]


@pytest.mark.proves("001-16")
@pytest.mark.compat("argocd:spec.source.plugin")
async def test_a_plugin_sees_argo_cds_variables_and_nothing_of_ours(bench_of):
    bench = bench_of(declared("env", ENVIRONMENT))
    parameters = [
        {"name": "image-tag", "string": "v1"},
        {"name": "hosts", "array": ["a", "b"]},
        {"name": "labels", "map": {"team.name": "x"}},
    ]
    wanted = source("env", env=[{"name": "TIER", "value": "of $ARGOCD_APP_NAME"}], parameters=parameters)
    seen = only(await bench.render(wanted, build_env=(("ARGOCD_APP_NAME", "app"),)), "ConfigMap")["data"]
    assert {name: seen[name] for name in seen if name.startswith(("ARGOCD_ENV", "PARAM"))} == {
        "ARGOCD_ENV_TIER": "of app",
        "PARAM_IMAGE_TAG": "v1",
        "PARAM_HOSTS_0": "a",
        "PARAM_HOSTS_1": "b",
        "PARAM_LABELS_TEAM_NAME": "x",
    }
    assert seen["ARGOCD_APP_REVISION"] == bench.copy.git("rev-parse", "HEAD")
    assert (seen["KUBE_VERSION"], '"name":"hosts"' in seen["ARGOCD_APP_PARAMETERS"]) == ("1.33.1", True)
    assert seen["HOME"].endswith("/home") and "shipway-plugin-" in seen["HOME"]
    ours = {name for name in os.environ if name not in ("PATH", "LANG", "HOME", "TMPDIR", "PWD", "OLDPWD", "SHLVL")}
    assert "PYTEST_CURRENT_TEST" in ours
    assert not ours & set(seen)


@pytest.mark.proves("001-16")
async def test_plugins_that_fail_hang_flood_or_lie_say_so_and_the_next_one_works(bench_of):
    table = [
        (
            "echo $ARGOCD_ENV_API_TOKEN at https://me:pw@x.test >&2; exit 3",
            "RenderFailed",
            "status 3: *** at https://***@x.test",
        ),
        ("exit 7", "RenderFailed", "it said nothing"),
        ("sleep 60", "RenderTimeout", "was not done after 8 s"),
        ("exec >&- 2>&-; sleep 60", "RenderTimeout", "was not done after 8 s"),
        ("yes", "RenderTooLarge", "printed more than 20 MiB"),
        ("yes >&2", "RenderTimeout", "was not done after 8 s"),
        ("kill -9 $$", "RenderFailed", "status 137"),
        ("echo 'kind: ['", "InvalidManifest", "(generated)"),
        ("echo 'just: text'", "InvalidManifest", "kind is missing"),
    ]
    liars = [declared(f"liar-{number}", script) for number, (script, _, _) in enumerate(table)]
    bench = bench_of(*liars, declared("good", "cat ../plain/a.yaml"), seconds=8)
    env = [{"name": "API_TOKEN", "value": "hunter2"}]
    asked = [bench.render(source(one.name, env=env)) for one in liars]
    errors = await asyncio.gather(*asked, return_exceptions=True)
    for liar, error, (_, reason, told) in zip(liars, errors, table, strict=True):
        assert isinstance(error, ShipwayError), liar
        assert (type(error), error.reason) == (Unavailable if reason == "RenderTimeout" else InvalidInput, reason)
        assert told in error.message and liar.name in error.message
        assert "hunter2" not in error.message and len(error.message) < 3000
    assert named(await bench.render(source("good"))) == ["ConfigMap/a"]


@pytest.mark.proves("001-16")
@pytest.mark.parametrize("ends", ["sleep 60", "cat ../plain/a.yaml"])
async def test_what_a_plugin_leaves_behind_is_ended_with_it(bench_of, ends):
    """A child in a session of its own, that its parent does not wait for and that holds its output open."""
    bench = bench_of(declared("forks", f"setsid sleep 4242.{os.getpid()} & {ends}"), seconds=2)
    try:
        assert named(await bench.render(source("forks"))) == ["ConfigMap/a"]
    except Unavailable as error:
        assert error.reason == "RenderTimeout"
    await eventually(lambda: not commands_with(f"4242.{os.getpid()}"))


@pytest.mark.proves("001-16")
async def test_where_the_kernel_gives_no_walls_it_says_so_and_still_leaves_nobody_behind(bench_of):
    nowhere_inside = f"/proc/{os.getpid()}/task"  # cannot be covered where other processes are not to be seen
    bench = bench_of(declared("forks", f"setsid sleep 4343.{os.getpid()} & cat ../plain/a.yaml"), hidden=[nowhere_inside])
    rendered = await bench.render(source("forks"))
    assert named(rendered) == ["ConfigMap/a"]
    assert "plugin forks could reach the network" in rendered.warnings[0]
    await eventually(lambda: not commands_with(f"4343.{os.getpid()}"))


@pytest.mark.proves("001-16")
async def test_behind_its_walls_there_is_no_network_no_login_and_no_other_process(bench_of, tmp_path):
    logins = tmp_path / "logins"
    logins.mkdir()
    (logins / "token").write_text("hunter2")
    script = (
        f"test ! -e {logins}/token || exit 11; umount {logins} 2>/dev/null && exit 12; "
        "test $(ls -d /proc/[0-9]* | wc -l) -lt 8 || exit 13; "
        "grep -q : /proc/net/dev && test $(tail -n +3 /proc/net/dev | grep -vc lo:) = 0 || exit 14; cat ../plain/a.yaml"
    )
    bench = bench_of(declared("curious", script), hidden=[str(logins)])
    rendered = await bench.render(source("curious"))
    assert named(rendered) == ["ConfigMap/a"]
    assert rendered.warnings == ()


@pytest.mark.compat("argocd:spec.source.plugin")
async def test_a_plugin_finds_its_own_before_other_tools_do(bench_of):
    bench = bench_of()
    table = [
        ({"fileName": "./names.txt"}, "app", "Plugin"),
        ({"fileName": "n*.txt"}, "app", "Plugin"),
        ({"fileName": "*.tmpl"}, "app", "Directory"),
        ({"find": {"glob": "**/*.tmpl"}}, "app", "Plugin"),
        ({"find": {"command": ["sh", "-c", "ls Chart.yaml"]}}, "chart", "Plugin"),
        ({"find": {"command": ["true"]}}, "chart", "Helm"),
        ({"find": {"command": ["sh", "-c", "echo x; exit 1"]}}, "plain", "Directory"),
    ]
    for discover, path, tool in table:
        bench.declare(declared("other", "false"), declared("finder", "cat ../plain/a.yaml", discover=discover))
        assert (path, (await bench.render({"path": path})).source_type) == (path, tool)
        stated = await bench.render({"path": "plain", "directory": {"recurse": True}})
        assert stated.source_type == "Directory"


async def test_a_source_that_no_plugin_serves_says_why(bench_of):
    bench = bench_of(declared("finder", "false", discover={"fileName": "absent"}))
    table = [
        ({"name": "lost"}, "UnsupportedSource", 'cmp-server plugin with name "lost" .*declared here: finder'),
        ({"name": "finder"}, "UnsupportedSource", "spec.discover finds nothing in app"),
        ({"env": [{"name": "A", "value": "b"}]}, "UnsupportedSource", "none discovers this folder"),
        ({"name": "finder", "env": [{"name": "A=B"}]}, "InvalidSource", r"plugin.env\[0\]"),
        ({"name": "finder", "parameters": [{"name": "x", "array": {}}]}, "InvalidSource", r"plugin.parameters\[0\]"),
    ]
    for wanted, reason, told in table:
        with pytest.raises(InvalidInput, match=told) as caught:
            await bench.render({"path": "app", "plugin": wanted})
        assert caught.value.reason == reason


@pytest.mark.proves("001-16")
async def test_two_plugins_at_once_share_nothing(bench_of):
    script = "echo $ARGOCD_ENV_ME > made; sleep 0.3; printf '%s' \"$(sed s/NAME/$(cat made)/ ../lib/cm)\""
    bench = bench_of(declared("slow", script))
    bench.push({"lib/cm": CM % "NAME"})
    both = [bench.render(source("slow", env=[{"name": "ME", "value": me}]), me) for me in ("left", "right")]
    assert [named(one) for one in await asyncio.gather(*both)] == [["ConfigMap/left"], ["ConfigMap/right"]]
