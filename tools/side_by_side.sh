#!/usr/bin/env bash
# Runs two commands, each one argument, at the same time: the second's output follows when both have ended.
# Exit status 0 only where both have it.
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
