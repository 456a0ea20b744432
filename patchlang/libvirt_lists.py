"""How ``merge`` distinguishes entries of libvirt's lists: the one table, documented in docs/language/merge-keys.md.

Also the namespace of libvirt's QEMU arguments.
"""

from __future__ import annotations

from collections.abc import Mapping

QEMU_NAMESPACE = "http://libvirt.org/schemas/domain/qemu/1.0"

# a way to distinguish entries: relative paths whose values must all be equal; without paths there is only one entry
Key = tuple[str, ...]

# "name" or "parent/name" → keys to try in order: the first that the fragment has in full is used
MERGE_KEYS: Mapping[str, tuple[Key, ...]] = {
    "acpi/table": (("@type",),),
    "blkiotune/device": (("path",),),
    "cachetune": (("@vcpus",),),
    "controller": (("@type", "@index"),),
    "cpu/cache": (("@level",), ("@mode",)),
    "cpu/feature": (("@name",),),
    "devices/audio": (("@id",),),
    "devices/channel": (("alias/@name",), ("target/@name",)),
    "devices/console": (("alias/@name",), ("target/@type", "target/@port"), ("target/@port",)),
    "devices/disk": (("target/@dev",), ("alias/@name",)),
    "devices/filesystem": (
        ("alias/@name",),
        ("target/@dir",),
        ("source/@dir",),
        ("source/@file",),
        ("source/@dev",),
        ("source/@socket",),
        ("source/@name",),
    ),
    "devices/graphics": (("@type",),),
    "devices/hostdev": (
        ("alias/@name",),
        ("source/address/@domain", "source/address/@bus", "source/address/@slot", "source/address/@function"),
        ("source/address/@uuid",),
        ("source/vendor/@id", "source/product/@id"),
        ("source/adapter/@name", "source/address/@bus", "source/address/@target", "source/address/@unit"),
        ("source/address/@bus", "source/address/@device"),
        ("source/address/@bus", "source/address/@slot", "source/address/@function"),
        ("source/@wwpn",),
        ("source/@name",),
        ("source/block",),
        ("source/char",),
        ("source/interface",),
    ),
    "devices/hub": (("@type",),),
    "devices/input": (("@type", "@bus"), ("alias/@name",)),
    "devices/interface": (("alias/@name",), ("mac/@address",), ("target/@dev",)),
    "devices/lease": (("key",),),
    "devices/panic": (("@model",),),
    "devices/parallel": (("alias/@name",), ("target/@port",)),
    "devices/pstore": (("@backend",),),
    "devices/redirdev": (("alias/@name",), ("address/@bus", "address/@port"), ("address/@port",)),
    "devices/serial": (("alias/@name",), ("target/@port",)),
    "devices/shmem": (("@name",),),
    "devices/smartcard": (("@mode",),),
    "devices/sound": (("alias/@name",), ("@model",)),
    "devices/video": (("alias/@name",), ("model/@type",)),
    "devices/watchdog": (("@model",),),
    "distances/sibling": (("@id",),),
    "entry": (("@name",),),
    "firmware/feature": (("@name",),),
    "filterref/parameter": (("@name",),),
    "graphics/channel": (("@name",),),
    "iothreadids/iothread": (("@id",),),
    "iothreadpin": (("@iothread",),),
    "iothreadsched": (("@iothreads",),),
    "memnode": (("@cellid",),),
    "memorytune": (("@vcpus",),),
    "numa/cell": (("@id",),),
    "os/boot": (("@dev",),),
    "page": (("@size",),),
    "seclabel": (("@model",), ()),
    "throttlefilters/throttlefilter": (("@group",),),
    "throttlegroups/throttlegroup": (("group_name",),),
    "timer": (("@name",),),
    "vcpupin": (("@vcpu",),),
    "vcpus/vcpu": (("@id",),),
    "vcpusched": (("@vcpus",),),
    "{http://libvirt.org/schemas/domain/qemu/1.0}device": (("@alias",),),
    "{http://libvirt.org/schemas/domain/qemu/1.0}env": (("@name",),),
    "{http://libvirt.org/schemas/domain/qemu/1.0}property": (("@name",),),
}
