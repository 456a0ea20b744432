#!/bin/sh
# Regenerates requirements/*.txt: pinned, with the hashes of every file of each release. Called by `make lock`.
# Keeps locked releases; with UPGRADE set, takes the newest. Needs Python's venv module and a package index.
set -eu
cd "$(dirname "$0")/.."

tool=$(mktemp -d)
trap 'rm -rf "$tool"' EXIT
"${PYTHON:-python3}" -m venv "$tool"
"$tool/bin/python" -m pip install --quiet --require-hashes --requirement requirements/lock.txt

# lock NAME SOURCE...: writes requirements/NAME.txt, without colorama, which pytest and click use only on Windows.
lock() {
  name=$1
  shift
  "$tool/bin/uv" pip compile --quiet --universal --python-version 3.11 --generate-hashes \
    --no-emit-index-url --no-emit-find-links --no-emit-package colorama --custom-compile-command "make lock" \
    ${UPGRADE:+--upgrade} --output-file "requirements/$name.txt" "$@"
}

lock runtime pyproject.toml
lock build requirements/build.in
lock dev --all-extras pyproject.toml requirements/build.in requirements/dev.in \
  --constraints requirements/runtime.txt --constraints requirements/build.txt
lock bench requirements/bench.in
lock lock requirements/lock.in
