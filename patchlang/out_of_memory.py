"""Memory exhaustion inside a C library, which reports it among the faults of its input.

Callers that catch errors of libxml2 or expat check here first: lack of memory is not the document's fault.
"""

from __future__ import annotations

_NO_MEMORY = {"lxml.etree": 2, "xml.parsers.expat": 1, "pyexpat": 1}
"""XML_ERR_NO_MEMORY of libxml2, XML_ERROR_NO_MEMORY of expat."""


def raise_if_exhausted(error: Exception) -> None:
    """Raises MemoryError if ``error``, from lxml or expat, means that; otherwise does nothing."""
    wanted = _NO_MEMORY.get(type(error).__module__)
    codes = [getattr(error, "code", None), *(entry.type for entry in getattr(error, "error_log", None) or ())]
    if wanted is not None and wanted in codes:
        raise MemoryError from None
