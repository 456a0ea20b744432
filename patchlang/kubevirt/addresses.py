"""What libvirt assigns to devices between the first two runs of a boot, as far as KubeVirt keeps it.

These are addresses, indexes of controllers (``virDomainControllerFindUnusedIndex``), the PCI root, and with PCIe a root
port for each PCI device (``virDomainPCIAddressSetGrow``). The device decides whether it gets an address, and of which
type; for a disk on a drive, libvirt's own rule (``virDomainDiskDefAssignAddress``) decides. libvirt chooses the numbers
of a PCI address: here they are free.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from itertools import count
from string import ascii_lowercase
from typing import Any, TypeAlias

from lxml import etree

from ..markup import attributes_of
from ..patterns import pattern
from . import structs

Element: TypeAlias = Any
# an address, the type and index of a controller, or a root port, as attributes
Given = tuple[tuple[str, str], ...]

_DRIVE = pattern(r"(?:hd|sd|fd)([a-z]{1,3})")
_WITH_PCIE = pattern(r"q35|^virt")
_LAST_BUS = 255
_LAST_SLOT = 31
# controller models that are not devices on a bus
_ROOTS = frozenset({"pci-root", "pcie-root", "none"})
# controllers, by whether they are PCI devices
_ON_PCI = frozenset({"pci", "sata", "scsi", "usb", "virtio-serial"})
_OF_MODEL = {"memballoon": "virtio", "memory": "virtio-", "rng": "virtio", "watchdog": "i6300esb"}


def with_addresses(domain: bytes, release: str) -> tuple[bytes, Counter[Given]]:
    """The domain with an address for every device and an index for every controller that needs one; and what was given.

    Excluded are interfaces, which KubeVirt rewrites before each run, and devices whose address the ``release`` of
    KubeVirt does not read back.
    """
    root = etree.fromstring(domain)
    devices = root.find("devices")
    if devices is None:
        return domain, Counter()
    known = structs.domain(release).children["devices"].children
    giver = _Giver(root, devices)
    given: Counter[Given] = Counter()
    for device in devices.iterchildren(etree.Element):
        if device.tag == "controller" and "index" not in device.attrib:
            device.set("index", giver.index(device))
            given[_controller(device)] += 1
        struct = known[device.tag].children.get("address") if device.tag in known else None
        if struct is None or device.tag == "interface" or device.find("address") is not None:
            continue
        address = {name: value for name, value in giver.address(device).items() if name in struct.attributes}
        if address:
            etree.SubElement(device, "address", address).text = ""
            given[_key(address)] += 1
    for controller in giver.controllers:
        etree.SubElement(devices, "controller", controller).text = ""
        given[_key(controller)] += 1
    return bytes(etree.tostring(root, encoding="unicode").encode()) if given else domain, given


def without(domain: bytes, given: Counter[Given]) -> bytes:
    """The domain without what was assigned. Other devices with such an address keep it."""
    if not given:
        return domain
    root = etree.fromstring(domain)
    left = Counter(given)
    for controller in root.findall("devices/controller[@index]"):
        if left[_controller(controller)] > 0:
            left[_controller(controller)] -= 1
            del controller.attrib["index"]
        elif left[_added(controller)] > 0:
            left[_added(controller)] -= 1
            _take(controller)
    for address in root.findall("devices/*/address"):
        key = _key(attributes_of(address))
        if left[key] > 0 and not len(address):
            left[key] -= 1
            _take(address)
    return bytes(etree.tostring(root, encoding="unicode").encode())


def _take(node: Element) -> None:
    """Removes an element, but not the text after it."""
    before, parent = node.getprevious(), node.getparent()
    if before is not None:
        before.tail = (before.tail or "") + (node.tail or "")
    else:
        parent.text = (parent.text or "") + (node.tail or "")
    parent.remove(node)


def _key(attributes: Mapping[str, str]) -> Given:
    return tuple(sorted(attributes.items()))


def _controller(controller: Element) -> Given:
    return _of(controller.get("type", ""), controller.get("index"))


def _of(kind: str, index: str) -> Given:
    return _key({"type": kind, "index": index})


def _added(controller: Element) -> Given:
    return _key({name: controller.get(name, "") for name in ("type", "index", "model")})


class _Giver:
    """Chooses free addresses and indexes."""

    def __init__(self, root: Element, devices: Element) -> None:
        kind = root.find("os/type")
        self._ccw = kind is not None and kind.get("arch", "").startswith("s390")
        machine = kind.get("machine", "") if kind is not None else ""
        self._is_pcie = _WITH_PCIE.search(machine) is not None
        self._used = {_key(attributes_of(address)) for address in devices.findall("*/address")}
        on_pci = [(_number(one.get("bus", "")), one) for one in devices.findall("*/address[@type='pci']")]
        taken = {_number(address.get("slot", "")) for bus, address in on_pci if bus == 0}
        self._slots = (slot for slot in range(1, _LAST_SLOT + 1) if slot not in taken)
        buses = [bus for bus, _ in on_pci]
        buses += [_number(one.get("index", "")) for one in devices.findall("controller[@type='pci']")]
        self._next = max(buses, default=0) + 1
        self._indexes = {_controller(one) for one in devices.findall("controller[@index]")}
        self.controllers: list[dict[str, str]] = []
        if (self._is_pcie or machine.startswith("pc")) and _of("pci", "0") not in self._indexes:
            self._add("0", "pcie-root" if self._is_pcie else "pci-root")

    def index(self, controller: Element) -> str:
        """The first index that no controller of this type has."""
        kind = controller.get("type", "")
        index = next(index for number in count() if _of(kind, index := str(number)) not in self._indexes)
        self._indexes.add(_of(kind, index))
        return index

    def _add(self, index: str, model: str) -> None:
        self._indexes.add(_of("pci", index))
        self.controllers.append({"type": "pci", "index": index, "model": model})

    def address(self, device: Element) -> dict[str, str]:
        """The address of a device; empty if it gets none, or if that is unknown."""
        if device.tag == "disk":
            return self._of_disk(device)
        if device.tag == "controller":
            kind, model = device.get("type", ""), device.get("model", "")
            if kind not in _ON_PCI or model in _ROOTS:
                return {}
            return self._in_root() if kind == "pci" and self._is_pcie else self._on_bus()
        if device.tag == "hostdev":
            kind, model = device.get("type"), device.get("model", "vfio-pci")
            if kind == "usb":
                return _usb()
            return self._on_bus() if kind == "pci" or (kind == "mdev" and model == "vfio-pci") else {}
        if device.tag == "input":
            bus = device.get("bus")
            return self._on_bus() if bus == "virtio" else _usb() if bus == "usb" else {}
        model = _OF_MODEL.get(device.tag)
        return self._on_bus() if model is not None and device.get("model", "").startswith(model) else {}

    def _of_disk(self, disk: Element) -> dict[str, str]:
        target = disk.find("target")
        bus = target.get("bus") if target is not None else None
        if bus == "virtio":
            return self._on_bus()
        if bus == "usb":
            return _usb()
        name = _DRIVE.fullmatch(target.get("dev", "")) if target is not None else None
        if name is None or bus not in ("fdc", "ide", "sata", "scsi"):
            return {}
        index = 0
        for letter in name[1]:
            index = index * len(ascii_lowercase) + ascii_lowercase.index(letter) + 1
        numbers = _drive(bus, index - 1)
        address = dict(zip(("controller", "bus", "target", "unit"), map(str, numbers), strict=True))
        address = {"type": "drive", **address}
        return {} if _key(address) in self._used else address

    def _on_bus(self) -> dict[str, str]:
        bus, self._next = self._next, self._next + 1
        if self._ccw:
            return {"type": "ccw", "cssid": "0xfe", "ssid": "0x0", "devno": f"0x{bus:04x}"}
        if bus > _LAST_BUS:
            return {}
        if self._is_pcie:
            self._add(str(bus), "pcie-root-port")
        return _pci(bus, 0)

    def _in_root(self) -> dict[str, str]:
        slot = next(self._slots, None)
        return {} if slot is None else _pci(0, slot)


def _pci(bus: int, slot: int) -> dict[str, str]:
    return {"type": "pci", "domain": "0x0000", "bus": f"0x{bus:02x}", "slot": f"0x{slot:02x}", "function": "0x0"}


def _usb() -> dict[str, str]:
    return {"type": "usb", "bus": "0"}


def _drive(bus: str, index: int) -> tuple[int, int, int, int]:
    """The controller, bus, target and unit of the disk with that index, in libvirt's numbering."""
    match bus:
        case "scsi":
            unit = index % 15
            return index // 15, 0, 0, unit + (unit >= 7)  # unit 7 is the controller itself
        case "sata":
            return index // 6, 0, 0, index % 6
        case "ide":
            return index // 4, index % 4 // 2, 0, index % 2
        case _:
            return index // 2, 0, 0, index % 2


def _number(text: str) -> int:
    try:
        return int(text, 0)
    except ValueError:
        return 0
