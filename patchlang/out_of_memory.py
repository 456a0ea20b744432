"""Memory that has run out inside of a C library, which reports it among the faults of its input.

Whoever catches the errors of libxml2 or expat asks here first: a document is not to blame for want of memory.
"""

from __future__ import annotations

_NO_MEMORY = {"lxml.etree": 2, "xml.parsers.expat": 1, "pyexpat": 1}
"""XML_ERR_NO_MEMORY of libxml2, XML_ERROR_NO_MEMORY of expat."""


def raise_if_exhausted(error: Exception) -> None:
    """Raises MemoryError where ``error``, of lxml or expat, means that; else does nothing."""
    wanted = _NO_MEMORY.get(type(error).__module__)
    codes = [getattr(error, "code", None), *(entry.type for entry in getattr(error, "error_log", None) or ())]
    if wanted is not None and wanted in codes:
        raise MemoryError from None
