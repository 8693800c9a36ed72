"""Kustomize overlays: what they read, an Application's own settings merged in, built by the real Kustomize in kubectl."""
