"""Config-management plugins: declared commands that turn a folder into manifests, run where they can harm nobody."""
