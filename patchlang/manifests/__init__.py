"""Kubernetes manifests that carry patches: ConfigMaps, and VMs whose annotation requests hook sidecars."""
