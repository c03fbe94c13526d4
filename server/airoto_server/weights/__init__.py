"""Checkpoints: where they lie, what they are, whether they may be used."""
