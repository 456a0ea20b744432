"""The hook sidecar: KubeVirt's gRPC contract around the patch engine."""
