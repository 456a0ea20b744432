"""KubeVirt's eyes: which names in a domain its own structs know, and what becomes of those that they do not.

``structs.json`` is made by ``tools/index_kubevirt.py``; the sidecar never loads it.
"""
