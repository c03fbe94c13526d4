"""Presets per show: what they may say, and what they say together.

Standard library only, so that host, command line and server read them alike. The TOML files are
read by `airoto_client.presets`, which compiles them to the JSON index that is read here.
"""
