"""Checks of whole repositories: what is there to check, all findings in it, and which of them comments ignore."""
