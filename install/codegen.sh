#!/usr/bin/env bash
# Makes proto/airoto/v1/*_pb2.py(i) from the .proto files, or with --check proves that the
# committed ones are fresh. The generator is the oldest whose code runs on every protobuf we
# support (6.30 to 7.x), so it lives in a venv of its own.
set -euo pipefail
cd "$(dirname "$0")/.."
venv=.venv-codegen
python=${AIROTO_PYTHON:-python3}
[ -x "$venv/bin/python" ] || "$python" -m venv "$venv"
"$venv/bin/python" -c 'import grpc_tools, importlib.metadata as m; assert m.version("grpcio-tools") == "1.72.2"' 2>/dev/null ||
  "$venv/bin/python" -m pip install -q --disable-pip-version-check 'grpcio-tools==1.72.2' 'setuptools<81'
out=proto
if [ "${1:-}" = --check ]; then
  out=$(mktemp -d)
  trap 'rm -rf "$out"' EXIT
fi
"$venv/bin/python" -m grpc_tools.protoc -Iproto --python_out="$out" --pyi_out="$out" proto/airoto/v1/*.proto
if [ "${1:-}" = --check ]; then
  for file in "$out"/airoto/v1/*; do
    cmp -s "$file" "proto/airoto/v1/$(basename "$file")" || {
      echo "generated code is stale: proto/airoto/v1/$(basename "$file"); run install/codegen.sh" >&2
      exit 1
    }
  done
  echo "generated code is fresh"
fi
