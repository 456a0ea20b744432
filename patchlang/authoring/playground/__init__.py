"""A page on this machine on which patches are tried while they are written.

What it answers are functions of the texts on the page: :mod:`.answers` has them by name. A worker process calls them
(:mod:`.worker`), so that what never ends can be ended, and a server for this machine alone hands them on
(:mod:`.server`). Only this folder knows HTTP.
"""
