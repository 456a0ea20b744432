"""patchlang: declarative edits of libvirt domains and cloud-init data, for KubeVirt hook sidecars.

``__all__`` lists what is public; docs/api.md describes it and docs/compatibility.md promises it. It is loaded from
:mod:`patchlang.api` on first use: the sidecar imports this package, but none of that. Types are in
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
