"""Benchmarks: one file each, one command for all (`make bench`)."""
