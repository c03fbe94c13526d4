"""Run once after installing: compiles what would otherwise compile during the first job."""

from __future__ import annotations

from airoto_server.ops.foreground import warm


def main() -> None:
    """Compile PyMatting's kernels into their cache."""
    warm()


if __name__ == "__main__":
    main()
