"""KubeVirt's cloud-init data as editable values, the ops on them, and the way back to text."""
