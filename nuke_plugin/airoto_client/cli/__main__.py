"""`python -m airoto_client.cli`: the same as `airoto`."""

from __future__ import annotations

import sys

from airoto_client.cli import main

sys.exit(main())
