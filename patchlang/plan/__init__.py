"""What patches will do to the VMs of a dump, before they do: ``patchlang plan``.

A dump is read twice: once for where each object stands (:mod:`.inventory`), then VM by VM (:mod:`.work`). What is kept
of a VM is its name and the digest of its effect; what groups show is in :mod:`.report`.
"""
