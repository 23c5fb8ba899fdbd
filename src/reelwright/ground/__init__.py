"""The ground every room stands on: connections, ids, errors, the clock, the log. It imports nothing above it."""
