"""Presets as TDs write them: TOML files, compiled to the index that hosts and servers read."""
