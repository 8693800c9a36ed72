"""What a team has set in its Argo CD, and what of it acts here.

Keys of `argocd-cm` are of three kinds: those that we read, those of Argo CD's API server, page and logins (nothing to set
here), and those that change what an Argo CD deploys or reports and that are not read. Only the last matter to who comes over.
"""

from collections.abc import Mapping
from fnmatch import fnmatchcase

from shipway.api.repositories import FALSE

READ = (
    "timeout.reconciliation",
    "timeout.reconciliation.jitter",
    "resource.exclusions",
    "resource.inclusions",
    "application.resourceTrackingMethod",
    "application.instanceLabelKey",
    "resource.customizations",
    "resource.customizations.health.*",
    "resource.customizations.useOpenLibs.*",
    "resource.customizations.actions.*",
    "resource.customizations.ignoreDifferences.*",
    "resource.customizations.knownTypeFields.*",
    "resource.compareoptions",
    "globalProjects",
    "cluster.inClusterEnabled",
    "application.sync.impersonation.*",
    "kustomize.buildOptions",
    "kustomize.buildOptions.*",
    "kustomize.path.*",
    "helm.valuesFileSchemes",
    "helm.enable",
    "kustomize.enable",
    "jsonnet.enable",
    "sourceHydrator.commitMessageTemplate",
    "sourceHydrator.readmeMessageTemplate",
    "commit.author.name",
    "commit.author.email",
    "url",
)
OF_THE_API_SERVER = (
    "additionalUrls",
    "dex.*",
    "oidc.*",
    "accounts.*",
    "admin.*",
    "users.*",
    "password*",
    "exec.*",
    "extension.*",
    "ui.*",
    "help.*",
    "statusbadge.*",
    "ga.*",
    "server.*",
    "webhook.*",
    "*.links",
    "installationID",
    "resource.respectRBAC",
    "resource.customLabels",
    "resource.*EventLabelKeys",
    "resource.sensitive.mask.annotations",
)
HARMLESS = (
    "resource.ignoreResourceUpdatesEnabled",
    "resource.customizations.ignoreResourceUpdates.*",
    "application.allowedNodeLabels",
    "timeout.hard.reconciliation",
)
"""What saves Argo CD work that is not done here, or is only shown."""

FLAGS = (
    "applicationsetcontroller.dryrun",
    "applicationsetcontroller.enable.git.submodule",
    "applicationsetcontroller.scm.root.ca.path",
    "reposerver.allow.oob.symlinks",
    "reposerver.max.combined.directory.manifests.size",
    "reposerver.plugin.*",
)
"""Those of `argocd-cmd-params-cm` that concern deployments and do not act here; most there are about its processes."""


def unread_flags(flags: Mapping[str, str]) -> tuple[str, ...]:
    """The keys of `argocd-cmd-params-cm` that are set, say something about deployments and do not act here, sorted."""
    return tuple(sorted(key for key, value in flags.items() if value not in FALSE and _is_any(FLAGS, key)))


def unread(settings: Mapping[str, str]) -> tuple[str, ...]:
    """The keys of `argocd-cm` that say something about deployments and do not act here, sorted."""
    known = (*READ, *OF_THE_API_SERVER, *HARMLESS)
    return tuple(sorted(key for key, value in settings.items() if value and not _is_any(known, key)))


def _is_any(patterns: tuple[str, ...], key: str) -> bool:
    return any(fnmatchcase(key, pattern) for pattern in patterns)
