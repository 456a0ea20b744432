"""The fuzzer: seeded inputs for all code that reads foreign data. ``make fuzz``; see docs/reliability.md for more."""
