"""Bytes of a domain to a tree that can be edited, the ops on it, and back to bytes."""
