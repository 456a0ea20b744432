"""The fuzzer: seeded inputs for all that reads what others wrote. ``make fuzz``; docs/reliability.md tells more."""
