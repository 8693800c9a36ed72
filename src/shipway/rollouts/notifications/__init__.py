"""What there is to tell about a Rollout, as with Argo Rollouts."""
