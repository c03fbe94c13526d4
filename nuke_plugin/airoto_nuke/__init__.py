"""The Nuke nodes. Standard library only; `nuke` is imported by `airoto_nuke.host` alone."""

VERSION = "0.1.0"
