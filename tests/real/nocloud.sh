#!/bin/sh
# Runs the installed cloud-init on the seed folder $1 as a guest's boot does, in a copy of this system over the empty
# folder $2 that lasts as long as the run, without network and devices. What it wrote comes out as a tar archive on
# standard output.
# Run by `unshare --mount --uts --net --pid --ipc --fork`; status 77 where this system cannot be copied so.
set -eu
seed=$1
work=$2
root=$work/root
{
  mount --make-rprivate /
  mount -t tmpfs tmpfs "$work"
  mkdir "$work/upper" "$work/work" "$root"
  mount -t overlay overlay -o "lowerdir=/,upperdir=$work/upper,workdir=$work/work" "$root"
} || exit 77
mount -t proc proc "$root/proc"
mount -t tmpfs tmpfs "$root/dev"
for device in null zero urandom; do
  : >"$root/dev/$device"
  mount --bind "/dev/$device" "$root/dev/$device"
done
ln -s /proc/self/fd "$root/dev/fd"
mount -t tmpfs tmpfs "$root/tmp"

rm -rf "$root/var/lib/cloud" "$root/run/cloud-init"
mkdir -p "$root/var/lib/cloud/seed" "$root/run"
cp -r "$seed" "$root/var/lib/cloud/seed/nocloud"
# no module that wants devices, packages or services
cat >"$root/etc/cloud/cloud.cfg.d/99_test.cfg" <<'CONFIG'
datasource_list: [NoCloud]
cloud_init_modules: [bootcmd, write-files, set_hostname, update_hostname, users-groups]
cloud_config_modules: [runcmd]
cloud_final_modules: [scripts-user]
CONFIG
for stage in "init --local" "init" "modules --mode=config" "modules --mode=final"; do
  # shellcheck disable=SC2086 # the words of a command
  chroot "$root" cloud-init $stage >&2
done
chroot "$root" hostname >"$root/run/hostname"
tar -C "$work/upper" -c etc run var/lib/cloud
