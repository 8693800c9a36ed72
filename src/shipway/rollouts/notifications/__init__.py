"""Who is told what about a Rollout, written as for Argo Rollouts."""
