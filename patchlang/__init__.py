"""patchlang: declared edits of libvirt domains and cloud-init data, for KubeVirt hook sidecars."""

__version__ = "0.1.0"
