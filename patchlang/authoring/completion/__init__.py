"""What may be written at a place of a patch, and what stands there, while the text is still being typed.

:func:`.core.complete` and :func:`.core.hover` take a text and an offset in it, and know nothing of editors.
"""
