#!/usr/bin/env bash
# Sets up what is missing, then runs every test: C++, the core under sanitizers without any SDK,
# the fuzzers briefly, Python.
set -euo pipefail
cd "$(dirname "$0")/.."
bash scripts/setup.sh
. scripts/common.sh

WERROR=-DMM_ORCH_WERROR=${MM_ORCH_WERROR:-OFF}
SUMMARY=()

# build preset: configures and builds build/<preset>.
build() {
  cmake --preset "$1" "$WERROR" "${@:2}"
  cmake --build "build/$1"
}

# check "What" command...: shows the test runner's own output, keeps its closing line.
check() {
  local what=$1 log code=0
  shift
  log=$LOGS/result.log
  say "==> $what"
  "$@" 2>&1 | tee "$log" || code=$?
  ((code == 0)) || fail "$what failed"
  SUMMARY+=("$what: $(grep -E 'tests passed|=+ .*(passed|failed).* =+' "$log" | tail -n 1)")
}

need_packages clang libclang-rt-14-dev libgtest-dev
step "Installing what the tests compare with" install_test_wheels

step "Building the C++ tests" build release "-DPython_EXECUTABLE=$PWD/$VENV/bin/python" \
  "-DMM_ORCH_SITE_PACKAGES=$("$VENV/bin/python" -c 'import sysconfig; print(sysconfig.get_paths()["purelib"])')"
check "C++ tests" ctest --preset release

step "Building the core alone, under AddressSanitizer and UBSan" build sanitize
check "Core under sanitizers" ctest --preset sanitize

step "Building the fuzzers" build fuzz
check "Fuzzers" ctest --preset fuzz

check "Python tests" "$VENV/bin/python" -m pytest

say ""
printf '%s\n' "${SUMMARY[@]}"
