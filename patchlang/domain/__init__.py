"""Bytes of a domain to an editable tree, the ops on it, and back to bytes."""
