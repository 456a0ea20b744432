"""Default paths on the machines that run patchlang. The sidecar reads this first, so it imports no other module."""

from pathlib import Path

SYSTEM_SCHEMAS = Path("/usr/share/libvirt/schemas")
"""Where distribution packages put libvirt's RELAX NG schema."""
