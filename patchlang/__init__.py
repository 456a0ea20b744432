"""patchlang: declared edits of libvirt domains and cloud-init data, for KubeVirt hook sidecars.

What is public is in ``__all__``, described in docs/api.md and promised in docs/compatibility.md. It comes from
:mod:`patchlang.api` when it is first asked for: the sidecar imports this package, and none of that. Types are in
``__init__.pyi``.
"""

__version__ = "0.1.0"

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


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = globals()[name] = getattr(import_module(".api", __name__), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
