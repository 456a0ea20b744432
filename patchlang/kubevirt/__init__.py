"""What KubeVirt sees: which names in a domain its own structs know, and what happens to the others.

``tools/index_kubevirt.py`` makes ``structs.json``; the sidecar never loads it.
"""
