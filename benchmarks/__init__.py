"""Measures patchlang beside what it replaces, all in one run on one machine: ``make bench``."""
