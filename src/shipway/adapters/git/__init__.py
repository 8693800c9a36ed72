"""Git repositories: one bare mirror each, the git program over the network, libgit2 for every read."""
