"""KubeVirt's messages and services, generated from ``proto/`` by ``tools/generate_stubs.py``; never edited."""
