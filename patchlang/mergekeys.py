"""How ``merge`` tells the entries of libvirt's lists apart: the one table, documented in docs/language.md."""

from __future__ import annotations

from collections.abc import Mapping

# one way to tell entries apart: relative paths whose values must all be equal
Key = tuple[str, ...]

# "name" or "parent/name" → keys to try in order: the first that the fragment has in full is used
MERGE_KEYS: Mapping[str, tuple[Key, ...]] = {
    "acpi/table": (("@type",),),
    "audio": (("@id",),),
    "blkiotune/device": (("path",),),
    "cachetune": (("@vcpus",),),
    "channel": (("alias/@name",), ("target/@name",)),
    "console": (("alias/@name",), ("target/@type", "target/@port"), ("target/@port",)),
    "controller": (("@type", "@index"),),
    "cpu/cache": (("@level",), ("@mode",)),
    "cpu/feature": (("@name",),),
    "disk": (("target/@dev",), ("alias/@name",)),
    "distances/sibling": (("@id",),),
    "entry": (("@name",),),
    "filesystem": (("alias/@name",), ("target/@dir",)),
    "filterref/parameter": (("@name",),),
    "graphics": (("@type",),),
    "hostdev": (
        ("alias/@name",),
        ("source/address/@domain", "source/address/@bus", "source/address/@slot", "source/address/@function"),
        ("source/address/@uuid",),
    ),
    "hub": (("@type",),),
    "input": (("@type", "@bus"), ("alias/@name",)),
    "interface": (("alias/@name",), ("mac/@address",), ("target/@dev",)),
    "iothreadids/iothread": (("@id",),),
    "iothreadpin": (("@iothread",),),
    "iothreadsched": (("@iothreads",),),
    "lease": (("key",),),
    "memnode": (("@cellid",),),
    "memorytune": (("@vcpus",),),
    "numa/cell": (("@id",),),
    "os/boot": (("@dev",),),
    "page": (("@size",),),
    "panic": (("@model",),),
    "parallel": (("alias/@name",), ("target/@port",)),
    "pstore": (("@backend",),),
    "redirdev": (("alias/@name",),),
    "serial": (("alias/@name",), ("target/@port",)),
    "shmem": (("@name",),),
    "smartcard": (("@mode",),),
    "sound": (("alias/@name",), ("@model",)),
    "timer": (("@name",),),
    "vcpupin": (("@vcpu",),),
    "vcpus/vcpu": (("@id",),),
    "vcpusched": (("@vcpus",),),
    "video": (("alias/@name",), ("model/@type",)),
    "watchdog": (("@model",),),
    "{http://libvirt.org/schemas/domain/qemu/1.0}device": (("@alias",),),
    "{http://libvirt.org/schemas/domain/qemu/1.0}env": (("@name",),),
    "{http://libvirt.org/schemas/domain/qemu/1.0}property": (("@name",),),
}
