#!/usr/bin/env bash
# The main job on real frames: makes the sample clip, pulls its matte from one click through
# a real server, and shows where to look. Needs no weights, GPU, Nuke or account.
set -euo pipefail
cd "$(dirname "$0")/.."
. install/environment.sh
server_environment server
out=${1:-demo_out}
exec .venv/bin/python -m airoto_server.app.demo "$out"
