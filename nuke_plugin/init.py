"""Nuke runs this at start, in every mode."""

try:
    from airoto_nuke import startup

    startup.every_mode()
except Exception as exc:  # noqa: BLE001 - a start-up file never raises
    print(f"AIRoto is not available: {exc}")  # noqa: T201
