"""Labels, annotations, reasons and messages that other tools read: all are contract, none may be invented.

Only what carries our own name (`shipway.dev/`) is ours.

Source: Argo Rollouts 1.9 (labels and annotations; `utils/conditions` for reasons and messages).
"""

HASH_LABEL = "rollouts-pod-template-hash"
INSTANCE_ID_LABEL = "argo-rollouts.argoproj.io/controller-instance-id"
MANAGED_BY = "argo-rollouts.argoproj.io/managed-by-rollouts"
REVISION = "rollout.argoproj.io/revision"
REVISION_HISTORY = "rollout.argoproj.io/revision-history"
DESIRED_REPLICAS = "rollout.argoproj.io/desired-replicas"
EPHEMERAL_METADATA = "rollout.argoproj.io/ephemeral-metadata"
SCALE_DOWN_DEADLINE = "scale-down-deadline"
WORKLOAD_GENERATION = "rollout.argoproj.io/workload-generation"
REACHES = "shipway.dev/reaches"
VERIFICATION = "shipway.dev/verification"
"""On a Rollout: the hash of the version that is (or was) judged, and the verification rules that its update began with."""
EXEMPT = "shipway.dev/exempt-from-verification"
"""On a Rollout or Deployment: why it may go out unjudged."""
RULE_LABEL, AT_LABEL = "shipway.dev/verification-rule", "shipway.dev/verification-at"
"""On an AnalysisRun: the verification rule that asked for it, and when it judges."""
ENVIRONMENT = "shipway.dev/environment"
"""On an AnalysisRun of a rule: what else ran in the namespace when it began."""
STALE = "shipway.dev/stale-environment"
"""On an AnalysisRun of a rule: what of that changed while it ran."""
ATTEMPT = "shipway.dev/verification-attempt"
ASKED = "shipway.dev/asked-a-person"
"""On an AnalysisRun of a rule: that its Rollout waited for a person because of it."""
STRATEGY_BY_BUDGET = "shipway.dev/strategy-by-budget"
STRATEGY = "shipway.dev/strategy"
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
EXPERIMENT_NAME = "experiment.argoproj.io/name"
EXPERIMENT_TEMPLATE = "experiment.argoproj.io/template-name"

RUN_TYPE_LABEL = "rollout-type"
STEP_INDEX_LABEL = "step-index"

PAUSE_STEP = "CanaryPauseStep"
PAUSE_BLUE_GREEN = "BlueGreenPause"
PAUSE_INCONCLUSIVE = "InconclusiveAnalysisRun"
PAUSE_INCONCLUSIVE_EXPERIMENT = "InconclusiveExperiment"

AVAILABLE = "Available"
PROGRESSING = "Progressing"
PAUSED = "Paused"
COMPLETED = "Completed"
HEALTHY = "Healthy"
REPLICA_FAILURE = "ReplicaFailure"
INVALID_SPEC = "InvalidSpec"
UNVERIFIED = "UnverifiedVersion"
"""The reason of an InvalidSpec that only keeps a new version from beginning."""

MAX_UNSCALED = 2**31 - 1
"""The limit of old ReplicaSets kept for a delayed scale-down when none is given."""
