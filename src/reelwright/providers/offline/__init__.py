"""providers/offline."""
