# Sourced by the other scripts: finds a Python, makes the venvs, installs AIRoto into them.
# Needs bash and Python 3.11 or newer; `AIROTO_PYTHON` names another one.

say() { printf '%s\n' "$*" >&2; }

# A Python of one of the given versions that really runs (a version manager's shim may not).
find_python() { # version...
  local version candidate
  for version in "$@"; do
    for candidate in "python$version" "$HOME/.pyenv/versions/$version".*/bin/python; do
      if "$candidate" -c "import sys, venv, ensurepip; sys.exit('%d.%d' % sys.version_info[:2] != '$version')" >/dev/null 2>&1; then
        command -v "$candidate"
        return 0
      fi
    done
  done
  return 1
}

# make_venv FOLDER PYTHON CONSTRAINTS REQUIREMENT...: idempotent, quick when nothing changed.
make_venv() {
  local folder=$1 python=$2 constraints=$3 stamp
  shift 3
  stamp=$({ "$python" --version; cat pyproject.toml "$constraints"; printf '%s\n' "$@"; } | cksum)
  if [ "$(cat "$folder/airoto-stamp" 2>/dev/null)" = "$stamp" ]; then
    return 0
  fi
  say "installing into $folder (a few minutes the first time) ..."
  [ -x "$folder/bin/python" ] || "$python" -m venv "$folder"
  "$folder/bin/python" -m pip install --quiet --disable-pip-version-check -c "$constraints" "$@" 2>&1 |
    { grep -v 'is ignored: it is neither a file nor a directory' || true; } >&2
  "$folder/bin/python" -m pip check >/dev/null
  printf '%s\n' "$stamp" >"$folder/airoto-stamp"
}

# server_environment EXTRAS: .venv with the server.
server_environment() {
  local python
  python=${AIROTO_PYTHON:-$(find_python 3.11 3.12 3.13)} || {
    say "AIRoto's server needs Python 3.11 or newer; none was found. Set AIROTO_PYTHON to one."
    exit 1
  }
  make_venv .venv "$python" install/constraints.txt -e ".[$1]"
}
