"""Patch tests, documents of ``kind: PatchTest``: decoded, run as one boot runs the hook, reported."""
