"""Nuke runs this at start, where there are windows."""

try:
    from airoto_nuke import startup

    startup.windows()
except Exception as exc:  # noqa: BLE001 - a start-up file never raises
    print(f"AIRoto has no menu: {exc}")  # noqa: T201
