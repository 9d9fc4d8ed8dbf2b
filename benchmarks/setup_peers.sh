#!/usr/bin/env bash
# Sets up the engines that benchmarks/compare.py compares with, in build/peers/venv. llama.cpp is
# compiled for this machine, which takes some minutes. Does nothing if nothing has changed.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/common.sh

PEERS=build/peers/venv
LLAMA_CPP=llama-cpp-python==0.3.36
AMX_FIX=$PWD/benchmarks/harness/amx_gcc12.h

install() { "$VENV/bin/uv" pip install --python "$PEERS/bin/python" "$@"; }

# once NAME INPUT command...: runs it unless it ran before with the same input.
once() {
  local stamp=build/peers/$1.stamp input=$2
  [[ -x $PEERS/bin/python && -e $stamp && $(<"$stamp") == "$input" ]] && return
  "${@:3}"
  echo "$input" >"$stamp"
}

bash scripts/setup.sh
mkdir -p build/peers
[[ -x $PEERS/bin/python ]] || step "Making $PEERS" "$VENV/bin/uv" venv --python "$VENV/bin/python" "$PEERS"
once wheels "$(sha256sum benchmarks/requirements-peers.txt)" \
  step "Installing the peers' wheels" install -r benchmarks/requirements-peers.txt
export CMAKE_ARGS="-DGGML_NATIVE=ON -DLLAVA_BUILD=OFF -DCMAKE_CXX_FLAGS=-include$AMX_FIX"
once llama_cpp "$LLAMA_CPP $(sha256sum "$AMX_FIX")" \
  step "Compiling llama.cpp" install --reinstall-package llama-cpp-python \
  --no-binary llama-cpp-python --no-cache "$LLAMA_CPP"
