"""Generators that others serve: asked over HTTP, bounded in time, size and depth."""
