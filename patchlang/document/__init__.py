"""Bytes of a patch file to a YAML tree with places, and on to the typed model."""
