"""What `argocd-cm` says of Kustomize: the flags of `kustomize.buildOptions`, and which versions have a name.

    kustomize.buildOptions                 flags of `kustomize build`
    kustomize.buildOptions.<version>       those of sources that state kustomize.version
    kustomize.path.<version>               a version has a name (the program is not run: one version runs here)
    kustomize.version.<version>            the same in Argo CD's older spelling

A flag is honoured, or is of no consequence here (`_INERT`), or lets Git run programs (`_PROGRAMS`: refused where a
kustomization makes use of it), or is refused by name to every kustomization, as Kustomize itself would.
"""

from collections.abc import Mapping

from msgspec.structs import replace

from shipway.api.sources import BuildFlags, KustomizeSettings

OPTIONS = "kustomize.buildOptions"
_NAMING = (f"{OPTIONS}.", "kustomize.path.", "kustomize.version.")
_HONOURED = ("--enable-helm", "--load-restrictor", "--enable-managedby-label", "--helm-kube-version", "--helm-api-versions")
_PLUGINS = ("--enable-alpha-plugins", "--enable-exec", "--enable-star")
_PROGRAMS = (*_PLUGINS, "--network", "--network-name", "--mount", "--env", "-e")
_INERT = ("--reorder", "--helm-command", "--helm-debug", "--as-current-user", "--stack-trace")
"""A sync has an order of its own, our Helm renders charts, and no container is started."""
_SWITCHES = (
    *(*_PLUGINS, "--enable-helm", "--enable-managedby-label"),
    *("--network", "--helm-debug", "--as-current-user", "--stack-trace"),
)
_RESTRICTORS = {"none": True, "loadrestrictionsnone": True, "rootonly": False, "loadrestrictionsrootonly": False}


def read_kustomize(settings: Mapping[str, str]) -> KustomizeSettings:
    """`settings` is the data of `argocd-cm`."""
    names = {key.removeprefix(prefix) for key in settings for prefix in _NAMING if key.startswith(prefix)}
    versions = [(name, _flags(settings, f"{OPTIONS}.{name}")) for name in sorted(names)]
    return KustomizeSettings(_flags(settings, OPTIONS), tuple(versions))


def _flags(settings: Mapping[str, str], key: str) -> BuildFlags:
    words = (settings.get(key) or "").split()
    flags = BuildFlags()
    while words:
        name, equals, value = words.pop(0).partition("=")
        if name.startswith("--"):  # older releases spelt them --load_restrictor
            name = name.replace("_", "-")
        if not equals and name not in _SWITCHES and words and not words[0].startswith("-"):
            value = words.pop(0)
        flags = _with(flags, name, value, key)
    return flags


def _with(flags: BuildFlags, name: str, value: str, key: str) -> BuildFlags:
    """With one more flag; `value` is "" for a bare one."""
    if (name in _SWITCHES and value.lower() in ("false", "0", "f")) or name in _INERT:
        return flags
    if name in _PROGRAMS:
        return replace(flags, programs=tuple(dict.fromkeys((*flags.programs, name))))
    match name:
        case "--enable-helm":
            return replace(flags, helm=True)
        case "--enable-managedby-label":
            return replace(flags, managed_by_label=True)
        case "--helm-kube-version" if value:
            return replace(flags, kube_version=value)
        case "--helm-api-versions" if value:
            return replace(flags, api_versions=(*flags.api_versions, *value.split(",")))
        case "--load-restrictor" if value.lower() in _RESTRICTORS:
            return replace(flags, unrestricted=_RESTRICTORS[value.lower()])
        case "--load-restrictor":
            told = f"{key} of argocd-cm: --load-restrictor {value}: say LoadRestrictionsNone or LoadRestrictionsRootOnly"
        case _ if name in _HONOURED:
            told = f"{key} of argocd-cm: {name} needs a value"
        case _:
            told = f"{key} of argocd-cm: {name} is not known here: take it out; what is known: {', '.join(_HONOURED)}"
    return replace(flags, problems=(*flags.problems, told))
