#!/usr/bin/env bash
# Sets up what is missing, then the main job: a real model answers through both backends.
set -euo pipefail
cd "$(dirname "$0")/.."
bash scripts/setup.sh
exec .venv/bin/python scripts/demo.py
