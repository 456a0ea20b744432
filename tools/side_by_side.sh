#!/usr/bin/env bash
# Runs two commands, each given as one argument, at the same time. The output of the second follows when both have
# ended. The exit status is 0 only if both exit with 0.
set -uo pipefail
later=$(mktemp)
trap 'rm -f "$later"' EXIT
bash -c "$2" >"$later" 2>&1 &
second=$!
trap 'kill "$second"' INT TERM
bash -c "$1"
status=$?
wait "$second" || status=1
cat "$later"
exit "$status"
