from .api import CloudInitResult as CloudInitResult
from .api import DomainResult as DomainResult
from .api import EditTrace as EditTrace
from .api import Finding as Finding
from .api import LoadError as LoadError
from .api import PatchTrace as PatchTrace
from .api import Place as Place
from .api import Program as Program
from .api import load as load
from .api import validate as validate

__version__: str

__all__ = [
    "CloudInitResult",
    "DomainResult",
    "EditTrace",
    "Finding",
    "LoadError",
    "PatchTrace",
    "Place",
    "Program",
    "__version__",
    "load",
    "validate",
]
