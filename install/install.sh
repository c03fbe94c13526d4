#!/usr/bin/env bash
# Installs AIRoto for the user who runs it: bash install/install.sh --help
# Needs Python 3.9 or newer to start; AIROTO_PYTHON names one.
set -euo pipefail
here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd -P)
for python in "${AIROTO_PYTHON:-}" python3 python3.13 python3.12 python3.11 python3.10 python3.9 /usr/bin/python3; do
  if [ -n "$python" ] && "$python" -c 'import sys; sys.exit(sys.version_info < (3, 9))' >/dev/null 2>&1; then
    exec "$python" -I "$here/install.py" "$@"
  fi
done
echo "install: Python 3.9 or newer is needed and was not found; set AIROTO_PYTHON to one" >&2
exit 6
