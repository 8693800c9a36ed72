"""What `argocd-cm` says of the commits of rendered manifests."""

from collections.abc import Mapping

from shipway.api.hydration import CommitSettings


def read_commit_settings(settings: Mapping[str, str]) -> CommitSettings:
    """`settings` is the data of `argocd-cm`."""
    plain = CommitSettings()
    return CommitSettings(
        settings.get("commit.author.name") or plain.author_name,
        settings.get("commit.author.email") or plain.author_email,
        settings.get("sourceHydrator.commitMessageTemplate") or "",
        settings.get("sourceHydrator.readmeMessageTemplate") or "",
    )
