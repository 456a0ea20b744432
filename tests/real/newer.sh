#!/bin/sh
# Runs a command with LIBVIRT_ROOT set to a new root that has the libvirt and the QEMU of another Debian suite:
#
#     tests/real/newer.sh SUITE COMMAND...
#
# Needs root, the package debootstrap and the mirror that apt has; half a gigabyte of /tmp until it ends.
set -eu
suite=$1
shift
mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | head -n 1)
LIBVIRT_ROOT=$(mktemp -d /tmp/libvirt-XXXXXX)
chmod 755 "$LIBVIRT_ROOT" # libvirt runs as nobody in it
export LIBVIRT_ROOT
trap 'rm -rf --one-file-system "$LIBVIRT_ROOT"' EXIT
{
  debootstrap --variant=minbase "$suite" "$LIBVIRT_ROOT" "$mirror"
  DEBIAN_FRONTEND=noninteractive chroot "$LIBVIRT_ROOT" apt-get install --yes --no-install-recommends \
    libvirt-clients libvirt-daemon-driver-qemu qemu-system-x86
} >"$LIBVIRT_ROOT.log" 2>&1 || {
  tail "$LIBVIRT_ROOT.log"
  exit 1
}
rm "$LIBVIRT_ROOT.log"
# what is mounted ends with the command
unshare --mount sh -euc '
  mount -t proc proc "$LIBVIRT_ROOT/proc"
  mount -t sysfs sys "$LIBVIRT_ROOT/sys"
  mount --rbind /dev "$LIBVIRT_ROOT/dev"
  mount --bind /tmp "$LIBVIRT_ROOT/tmp"
  exec "$@"
' sh "$@"
