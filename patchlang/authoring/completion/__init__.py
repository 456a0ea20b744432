"""Completion and hover in patches that are still being typed.

:func:`.core.complete` and :func:`.core.hover` take a text and an offset in it. They do not know anything about editors.
"""
