"""Where things are on the machines that run us; imports nothing of ours, since the sidecar reads it first."""

from pathlib import Path

SYSTEM_SCHEMAS = Path("/usr/share/libvirt/schemas")
"""Where distribution packages put libvirt's RELAX NG schema."""
