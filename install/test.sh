#!/usr/bin/env bash
# Sets everything up and runs all tests. Needs no weights, GPU, Nuke or account.
# Arguments go to pytest: `bash install/test.sh tests/ops -k trimap`.
set -euo pipefail
cd "$(dirname "$0")/.."
. install/environment.sh
server_environment server,bench,farm,deadline-cloud,opencue,dev
# The oldest Python that hosts ship: the client is tested on it too, where there is one.
if old=$(find_python 3.9); then
  make_venv .venv-py39 "$old" install/constraints-client-py39.txt -e . pytest hypothesis
fi
# Blender as a module (about 1 GB each), where its wheel can be had; without it tests/blender is
# skipped. `AIROTO_BPY=off` leaves it out, `AIROTO_BPY=all` brings 4.5 LTS and 5.1 too. In a shell of
# its own, so that a failure ends that alone.
blender_environment() { # folder, version of Python, constraints
  local python
  python=$(find_python "$2") || return 0
  bash -euo pipefail -c '. install/environment.sh
    make_venv "$1" "$2" "$3" bpy grpcio protobuf blake3
    if [ "$(uname -sm)" = "Linux x86_64" ]; then
      .venv/bin/python install/blender_extension.py --python "$4" --platform linux-x64 \
        --wheels .venv-bpy/wheels --fetch-only
    fi' - "$1" "$python" "$3" "$2" ||
    say "Blender's bpy for Python $2 could not be installed: its tests are skipped"
}
if [ "${AIROTO_BPY:-on}" != off ] && { [ $# -eq 0 ] || [[ "$*" == *tests/blender* ]]; }; then
  blender_environment .venv-bpy 3.11 install/constraints-blender.txt
  blender_environment .venv-bpy313 3.13 install/constraints-blender-py313.txt
  if [ "${AIROTO_BPY:-on}" = all ]; then
    blender_environment .venv-bpy45 3.11 install/constraints-blender-4.5.txt
    blender_environment .venv-bpy51 3.13 install/constraints-blender-5.1.txt
  fi
fi
if [ $# -gt 0 ]; then
  exec .venv/bin/python -m pytest "$@"
fi
# Compile what compiles at first use once, before parallel workers would all do it.
.venv/bin/python -m airoto_server.app.warm
.venv/bin/python -m pytest -n 2 tests
if [ -x .venv-py39/bin/python ]; then
  say "the client on Python 3.9:"
  .venv-py39/bin/python -m pytest tests/contract
fi
if [ "${AIROTO_BPY:-on}" != off ] && [ -x .venv-bpy313/bin/python ]; then
  say "Blender with Python 3.13:"
  AIROTO_BPY_PYTHON=$PWD/.venv-bpy313/bin/python .venv/bin/python -m pytest -n 2 tests/blender \
    -k "bit_for_bit or survive or killed or without_a_server or in_pieces or extension"
fi
if [ "${AIROTO_BPY:-on}" = all ]; then
  for version in 45 51; do
    [ -x ".venv-bpy$version/bin/python" ] || continue
    say "Blender $version:"
    AIROTO_BPY_PYTHON=$PWD/.venv-bpy$version/bin/python .venv/bin/python -m pytest -n 2 tests/blender
  done
fi
