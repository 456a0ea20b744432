"""The keys of cloud-init's formats, as its schemas document them, and of KubeVirt's own record."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from ...cloudinit.virtlauncher import FIELDS, META
from ...record import field, record


@record(eq=False)
class Keys:
    """What a place may contain: maps with the keys ``below`` (in a list, each entry is one); ``words`` describe it."""

    words: str = ""
    below: Mapping[str, Keys] = field(default_factory=dict)
    is_list: bool = False


_CLOUD_CONFIG = """
ansible: runs Ansible at the first boot
apk_repos: package repositories of Alpine
apt: package sources and settings of APT
bootcmd[]: commands that run early in each boot
byobu_by_default: Byobu for users of Ubuntu
ca_certs: certificates that the guest trusts
chef: runs Chef
chpasswd: passwords of users
create_hostname_file: whether /etc/hostname is written
device_aliases: names for devices
disable_ec2_metadata: cuts off the metadata service
disable_root: whether root may log in by SSH
disable_root_opts: options of root's authorized keys
disk_setup: partition tables
drivers: third-party drivers
fan: Ubuntu's fan networking
final_message: the text at the end of the boot
fqdn: the full host name
fs_setup[]: file systems that are made
groups: groups of users
growpart: whether partitions grow
grub_dpkg: where GRUB is installed
hostname: the host name
keyboard: layout of the keyboard
landscape: the client of Landscape
locale: the locale
locale_configfile: where the locale is written
lxd: sets up LXD
manage_etc_hosts: whether /etc/hosts is written
manage_resolv_conf: whether resolv.conf is written
mcollective: sets up MCollective
merge_how[]: how this document merges with others
merge_type: how this document merges with others
mount_default_fields[]: what mounts have by default
mounts[]: entries of /etc/fstab
network: whether cloud-init sets up the network
no_ssh_fingerprints: no fingerprints on the console
ntp: time servers
output: where output goes
package_reboot_if_required: restarts after updates that need it
package_update: updates the list of packages
package_upgrade: upgrades all packages
packages[]: packages that are installed
password: the default user's password
phone_home: reports to a URL when it is done
power_state: powers off or restarts at the end
prefer_fqdn_over_hostname: takes the full name as host name
preserve_hostname: leaves the host name alone
puppet: sets up Puppet
random_seed: feeds the random number generator
reporting: reports events
resize_rootfs: whether the root file system grows
resolv_conf: what resolv.conf holds
rh_subscription: registers with Red Hat
rpi: settings of a Raspberry Pi
rsyslog: sets up rsyslog
runcmd[]: commands that run at the end of the first boot
salt_minion: sets up Salt
snap: installs snaps
spacewalk: registers with Spacewalk
ssh: SSH keys on the console
ssh_authorized_keys[]: public keys of the default user
ssh_deletekeys: deletes the host keys of the image
ssh_fp_console_blacklist[]: fingerprints that the console does not show
ssh_genkeytypes[]: kinds of host keys that are made
ssh_import_id[]: imports public keys
ssh_key_console_blacklist[]: keys that the console does not show
ssh_keys: host keys
ssh_publish_hostkeys: publishes host keys
ssh_pwauth: whether passwords are taken by SSH
ssh_quiet_keygen: no output while keys are made
swap: a swap file
system_info: settings of the distribution
timezone: the time zone
ubuntu_pro: attaches to Ubuntu Pro
updates: when user data are updated
user: the default user
users[]: users that are made
vendor_data: whether vendor data are used
wireguard: sets up WireGuard
write_files[]: files that are written
yum_repo_dir: where repositories of YUM are
yum_repos: repositories of YUM
zypper: repositories of Zypper
"""
_BELOW_CLOUD_CONFIG = """
ca_certs: remove_defaults trusted[]
chpasswd: expire users[]
chpasswd/users: name password type
growpart: mode devices[] ignore_growroot_disabled
keyboard: layout model variant options
ntp: enabled ntp_client servers[] pools[] peers[] allow[] packages[] config
phone_home: url post tries
power_state: delay mode message timeout condition
resolv_conf: nameservers[] searchdomains[] domain sortlist[] options
snap: assertions commands
ssh: emit_keys_to_console
swap: filename size maxsize
user: name gecos groups sudo shell lock_passwd passwd ssh_authorized_keys[] homedir
users: name gecos groups primary_group sudo doas shell lock_passwd passwd hashed_passwd plain_text_passwd
users: ssh_authorized_keys[] ssh_import_id[] ssh_redirect_user homedir no_create_home no_user_group no_log_init system
users: uid inactive expiredate create_groups selinux_user snapuser
write_files: path content owner permissions encoding append defer source
fs_setup: label filesystem device partition overwrite replace_fs extra_opts cmd
apt: preserve_sources_list primary[] security[] sources conf proxy http_proxy https_proxy ftp_proxy
apt: sources_list debconf_selections disable_suites[] add_apt_repo_match
"""
_NETWORK = """
version: 1 or 2
renderer: what sets the network up
config[]: devices, in version 1
ethernets: devices, in version 2
bonds: bonds of devices, in version 2
bridges: bridges, in version 2
vlans: VLANs, in version 2
"""
_BELOW_NETWORK = """
config: type name id mac_address mtu subnets[] params address search destination gateway metric bond_interfaces[]
config: bridge_interfaces[] vlan_link vlan_id
config/subnets: type control address netmask broadcast gateway dns_nameservers[] dns_search[] routes[] ipv4 ipv6
config/subnets/routes: network netmask gateway metric
"""
# devices of version 2 have names that users choose; `*` stands for them
_DEVICE = """\
match set-name wakeonlan dhcp4 dhcp6 dhcp4-overrides dhcp6-overrides addresses[] gateway4 gateway6 mtu nameservers
optional routes[] routing-policy[] accept-ra macaddress renderer
"""
_DEVICES = {
    "ethernets": "",
    "bonds": "interfaces[] parameters",
    "bridges": "interfaces[] parameters",
    "vlans": "id link",
}
_BELOW_DEVICES = """
match: name macaddress driver
nameservers: search[] addresses[]
routes: to via metric on-link mtu table
"""


@cache
def keys_of(target: str) -> Keys:
    """What a target of cloud-init edits contains; targets are named as in patches."""
    match target:
        case "userData":
            return _tree(_CLOUD_CONFIG, _BELOW_CLOUD_CONFIG).keys()
        case "networkData":
            return _network()
        case "metaData":
            return _record(*META)
        case _:
            return _record("")


@record(frozen=False, eq=False)
class _Growing:
    words: str = ""
    below: dict[str, _Growing] = field(default_factory=dict)
    is_list: bool = False

    def child(self, name: str) -> _Growing:
        """The entry for a name; `[]` after the name means a list."""
        plain = name.removesuffix("[]")
        made = self.below.setdefault(plain, _Growing())
        made.is_list |= plain != name
        return made

    def grow(self, lines: str) -> None:
        """Add keys, given as lines with a path and names."""
        for line in filter(None, lines.split("\n")):
            path, _, names = line.partition(": ")
            holder = self
            for name in path.split("/"):
                holder = holder.child(name)
            for name in names.split():
                holder.child(name)

    def keys(self) -> Keys:
        return Keys(self.words, {name: one.keys() for name, one in self.below.items()}, self.is_list)


def _tree(top: str, below: str) -> _Growing:
    root = _Growing()
    for line in filter(None, top.split("\n")):
        name, _, words = line.partition(": ")
        root.child(name).words = words
    root.grow(below)
    return root


def _network() -> Keys:
    root = _tree(_NETWORK, _BELOW_NETWORK)
    for kind, own in _DEVICES.items():
        device = root.child(kind).child("*")
        for name in f"{_DEVICE} {own}".split():
            device.child(name)
        device.grow(_BELOW_DEVICES)
    keys = root.keys()
    return Keys("", {**keys.below, "network": Keys("the same, as cloud-init's own files have it", keys.below)})


_KINDS: dict[type, str] = {str: "text", dict: "a map", list: "a list"}


def _record(*places: str) -> Keys:
    """The fields of KubeVirt's own record."""
    return Keys("", {name: _field(name, type) for place in places for name, type in FIELDS[place].items()})


def _field(name: str, type: type) -> Keys:
    below = _record(name).below if name in FIELDS else {}
    return Keys(_KINDS[type], below, is_list=type is list)
