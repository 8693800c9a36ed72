"""Helm charts: what a source asks for, gathered on our side, rendered by real Helm in a worker."""
