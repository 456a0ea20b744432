#!/bin/sh
# readonly-root.sh ROOT HOOKS FOLDER COMMAND...: COMMAND in ROOT as kubelet runs a hook sidecar: all read-only but HOOKS,
# which is its socket folder; each file below FOLDER lies over the one at its path in ROOT. To be started by
# `unshare --mount`, so that nothing of it stays.
set -eu
root=$1 hooks=$2 folder=$3
shift 3

mount --make-rprivate /
mount --bind "$root" "$root"
mount --bind "$hooks" "$root/run/kubevirt-hooks"
(cd "$folder" && find . -type f) | while read -r file; do
  mount --bind "$folder/$file" "$root/$file"
  mount -o remount,bind,ro "$root/$file"
done
mount -t tmpfs -o mode=755 tmpfs "$root/dev"
for device in null zero random urandom; do
  : >"$root/dev/$device"
  mount --bind "/dev/$device" "$root/dev/$device"
done
mount -o remount,ro "$root/dev"
mount -t proc proc "$root/proc"
mount -o remount,bind,ro "$root"
exec chroot "$root" "$@"
