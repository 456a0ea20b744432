"""The exit status of the commands."""

FINDINGS, USAGE, ENVIRONMENT = 1, 2, 3
