"""A page, served on this machine, on which users try patches while they write them.

The answers are functions of the texts on the page: :mod:`.answers` lists them by name. A worker process calls them
(:mod:`.worker`), so that a call that never ends can be stopped. A server that listens only on this machine passes them
on (:mod:`.server`). Only this folder knows HTTP.
"""
