"""The outbox room."""
