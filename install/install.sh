#!/usr/bin/env bash
# Installs AIRoto for the user who runs it: bash install/install.sh --help
# Needs Python 3.9 or newer to start; AIROTO_PYTHON names one, and then no other is tried.
set -euo pipefail
here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd -P)
candidates=(python3 python3.13 python3.12 python3.11 python3.10 python3.9 /usr/bin/python3)
if [ -n "${AIROTO_PYTHON:-}" ]; then candidates=("$AIROTO_PYTHON"); fi
for python in "${candidates[@]}"; do
  if "$python" -c 'import sys; sys.exit(sys.version_info < (3, 9))' >/dev/null 2>&1; then
    exec "$python" -I "$here/install.py" "$@"
  fi
done
if [ -n "${AIROTO_PYTHON:-}" ]; then
  echo "install: AIROTO_PYTHON is $AIROTO_PYTHON, which is no Python 3.9 or newer that runs here" >&2
else
  echo "install: Python 3.9 or newer is needed and was not found; set AIROTO_PYTHON to one" >&2
fi
exit 6
