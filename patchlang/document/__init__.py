"""Bytes of a patch file to a YAML tree with places, and to the typed model."""
