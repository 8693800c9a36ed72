"""Shipway: from "a commit exists" to "it is safely live everywhere, and we can say who, what, when and why"."""

__version__ = "0.1.0"
