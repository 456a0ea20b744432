"""Kubernetes manifests that carry patches: ConfigMaps, and virtual machines whose annotation asks for hook sidecars."""
