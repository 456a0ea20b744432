"""Measures patchlang against what it replaces, all in one run on one machine: ``make bench``."""
