"""Checks of whole repositories: what to check, all findings, and which of them comments ignore."""
