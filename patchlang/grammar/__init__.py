"""libvirt's grammar: what a domain may contain, and which names in a patch are unknown.

``tools/index_grammar.py`` makes the indexes next to this file from libvirt's RELAX NG files; the sidecar never
loads them.
"""
