"""Lua scripts that users wrote for Argo CD: health checks and actions."""
