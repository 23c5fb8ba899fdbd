"""Thirteen inputs as people bring them, rendered whole and looked at: `python -m tests.golden`."""
