"""The ground every room stands on: connections, identifiers, errors, the clock, the log. It imports nothing above it."""
