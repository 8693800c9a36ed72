"""The compatibility pages are those that their tables and tests make."""

import functools
import re
from pathlib import Path

import pytest

from tests.compatibility import ROOT, Row, Section, Table, page_of, problems, read_marks, read_tables

TABLES = read_tables()
marks_here = functools.cache(read_marks)


def test_every_row_has_a_test_and_every_mark_a_row() -> None:
    assert list(problems(TABLES, marks_here())) == []


@pytest.mark.parametrize("table", TABLES, ids=lambda table: Path(table.page).stem)
def test_the_page_is_up_to_date(table: Table) -> None:
    assert (ROOT / table.page).read_text(encoding="utf-8") == page_of(table, marks_here()), (
        "run `python -m tests.compatibility`"
    )


def table_of(*rows: Row) -> Table:
    return Table("page.md", "t", "i", (Section("s", rows),))


@pytest.mark.parametrize(
    ("rows", "marks", "wrong"),
    [
        ((Row("a:b", "b", "works"),), {"a:b": ["t::x"]}, []),
        ((Row("a:b", "b", "works"),), {}, ["a:b: no test carries it"]),
        (
            (Row("a:b", "b", "differs"),),
            {"a:b": ["t::x"]},
            ["a:b: a reason belongs to what differs or is missing, and to nothing else"],
        ),
        ((), {"a:c": ["t::x"]}, ["a:c: in t::x, but in no table"]),
        ((Row("a:b", "b", "soon", "x"),), {"a:b": ["t::x"]}, ["a:b: the state is one of works, differs, not yet, not 'soon'"]),
    ],
)
def test_what_is_wrong_is_said(rows: tuple[Row, ...], marks: dict[str, list[str]], wrong: list[str]) -> None:
    assert list(problems([table_of(*rows)], marks)) == wrong


def test_marks_are_found_in_decorators(tmp_path: Path) -> None:
    folder = tmp_path / "tests"
    folder.mkdir()
    (folder / "test_x.py").write_text(
        '@pytest.mark.compat("a:b", "a:c")\ndef test_one(): ...\n'
        '@pytest.mark.parametrize("x", [pytest.param(1, marks=pytest.mark.compat("a:d"))])\nasync def test_two(x): ...\n'
    )
    assert read_marks(tmp_path) == {
        "a:b": ["tests/test_x.py::test_one"],
        "a:c": ["tests/test_x.py::test_one"],
        "a:d": ["tests/test_x.py::test_two"],
    }


# fmt: off
ARGO_CD_FIELDS = {
    "Application": """
        project destination.server destination.name destination.namespace source.repoURL source.path source.targetRevision
        source.tagPrefix source.chart source.ref source.name source.plugin sources sourceHydrator syncPolicy.automated.prune
        syncPolicy.automated.selfHeal syncPolicy.automated.allowEmpty syncPolicy.automated.enabled syncPolicy.syncOptions
        syncPolicy.retry.limit syncPolicy.retry.backoff duration factor maxDuration syncPolicy.retry.refresh
        syncPolicy.managedNamespaceMetadata labels annotations ignoreDifferences group kind name namespace jsonPointers
        jqPathExpressions managedFieldsManagers info revisionHistoryLimit""",
    "Directory": "recurse include exclude jsonnet",
    "Helm": """
        valueFiles parameters releaseName values fileParameters version passCredentials ignoreMissingValueFiles skipCrds
        valuesObject namespace kubeVersion apiVersions skipTests skipSchemaValidation""",
    "Kustomize": """
        namePrefix nameSuffix images commonLabels version commonAnnotations forceCommonLabels forceCommonAnnotations namespace
        commonAnnotationsEnvsubst replicas patches components ignoreMissingComponents labelWithoutSelector kubeVersion
        apiVersions labelIncludeTemplates""",
    "Sync options": """
        Prune=false Prune=confirm Delete=false Delete=confirm Validate SkipDryRunOnMissingResource ApplyOutOfSyncOnly
        PrunePropagationPolicy PruneLast Replace Force ServerSideApply ClientSideApplyMigration FailOnSharedResource
        RespectIgnoreDifferences CreateNamespace""",
    "Compare options": "IgnoreExtraneous ServerSideDiff IncludeMutationWebhook",
    "Phases, waves and hooks": """
        PreSync Sync PostSync SyncFail Skip PreDelete PostDelete HookSucceeded HookFailed BeforeHookCreation sync-wave
        helm.sh/hook hook-weight hook-delete-policy""",
    "Annotations and labels of objects": """
        tracking-id installation-id sync-options ignore-healthcheck ignore-resource-updates app.kubernetes.io/instance""",
    "Annotations and finalizers of Applications": """
        refresh hydrate manifest-generate-paths skip-reconcile managed-by-url deletion-approved link.argocd.argoproj.io
        notice.argocd.argoproj.io ignore-default-links notifications.argoproj.io client-side-apply-migration-manager
        resources-finalizer.argocd.argoproj.io pre-delete-finalizer post-delete-finalizer hook-finalizer""",
    "operation": """
        revision revisions source sources prune dryRun resources manifests syncStrategy syncOptions autoHealAttemptsCount
        initiatedBy info retry""",
    "status": """
        sync resources health history conditions reconciledAt operationState sourceType sourceTypes summary
        controllerNamespace sourceHydrator resourceHealthSource comparedTo phase message operation syncResult startedAt
        finishedAt retryCount hookType hookPhase syncPhase images externalURLs isAppOfApps""",
    "AppProject": """
        sourceRepos destinations description roles policies groups jwtTokens clusterResourceWhitelist clusterResourceBlacklist
        namespaceResourceWhitelist namespaceResourceBlacklist orphanedResources syncWindows kind schedule duration
        applications namespaces clusters manualSync timeZone andOperator syncOverrun signatureKeys sourceNamespaces
        permitOnlyProjectScopedClusters destinationServiceAccounts sourceIntegrity jwtTokensByRole""",
}
# fmt: on
"""What the kinds of Argo CD have (3.5), by the section in which users look it up."""


@pytest.mark.parametrize("title", ARGO_CD_FIELDS)
def test_whatever_argo_cd_knows_has_its_row(title: str) -> None:
    (table,) = (one for one in TABLES if one.page.endswith("argo-cd.md"))
    (section,) = (one for one in table.sections if one.title == title)
    told = " ".join(row.name for row in section.rows)
    missing = [name for name in ARGO_CD_FIELDS[title].split() if not re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", told)]
    assert missing == []
