"""The worker: signed deliveries in, one stage run each, files out."""
