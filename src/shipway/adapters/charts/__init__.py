"""Charts out of chart repositories (HTTP) and registries (OCI): which version, and its files by digest."""
