"""What patches would do to the VMs of a dump, in advance: ``patchlang plan``.

A dump is read twice: once to locate each object (:mod:`.inventory`), then VM by VM (:mod:`.work`). Of each VM only
its name and the digest of its effect are kept; :mod:`.report` has what groups show.
"""
