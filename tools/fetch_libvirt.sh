#!/bin/sh
# Fetches the sources of a Debian suite's libvirt and unpacks its grammar and the domains of its tests:
#
#     tools/fetch_libvirt.sh SUITE FOLDER
#
# Uses apt and its configured mirror, and leaves apt's state on this machine unchanged.
set -eu
suite=$1 folder=$2
mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | head -n 1)
[ -n "$mirror" ] || { echo "apt has no mirror" >&2; exit 1; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/lists/partial" "$work/cache/archives/partial" "$work/sources"
echo "deb-src $mirror $suite main" >"$work/sources.list"
cd "$work/sources"
set -- -o "Dir::Etc::sourcelist=$work/sources.list" -o Dir::Etc::sourceparts=/dev/null -o "Dir::State::lists=$work/lists" \
  -o "Dir::Cache=$work/cache" -o APT::Sandbox::User=root -o Acquire::Retries=2 -o Acquire::http::Timeout=30
{
  apt-get "$@" update
  apt-get "$@" source --download-only --tar-only libvirt
} >"$work/log" 2>&1 || {
  tail "$work/log" >&2
  exit 1
}
cd - >/dev/null
mkdir -p "$folder"
tar --directory "$folder" --extract --file "$work"/sources/libvirt_*.orig.tar.* --strip-components 1 --wildcards \
  '*/schemas/*.rng' '*/tests/*.xml'
