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
# Blender as a module (about 1 GB), where its wheel can be had; without it tests/blender is skipped.
# `AIROTO_BPY=off` leaves it out. In a shell of its own, so that a failure ends that one alone.
if [ "${AIROTO_BPY:-on}" != off ] && { [ $# -eq 0 ] || [[ "$*" == *tests/blender* ]]; }; then
  if bpy_python=$(find_python 3.11); then
    bash -euo pipefail -c '. install/environment.sh
      make_venv .venv-bpy "$1" install/constraints-blender.txt bpy grpcio protobuf blake3
      if [ "$(uname -sm)" = "Linux x86_64" ]; then
        .venv/bin/python install/blender_extension.py --python 3.11 --platform linux-x64 \
          --wheels .venv-bpy/wheels --fetch-only
      fi' - "$bpy_python" ||
      say "Blender's bpy could not be installed: tests/blender is skipped"
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
