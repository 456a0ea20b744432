"""KubeVirt's cloud-init data to values that can be edited, the ops on them, and back to texts."""
