"""The billing room."""
