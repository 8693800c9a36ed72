"""Forges: GitHub, GitLab and Gitea, asked over HTTP. Whatever they answer is bounded, and no token is ever in a message."""
