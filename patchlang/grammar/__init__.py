"""libvirt's grammar: what a domain may hold, and which names in a patch it does not know.

The indexes beside this file are made from libvirt's RELAX NG files by ``tools/index_grammar.py``; the sidecar never
loads them.
"""
