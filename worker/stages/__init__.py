"""One file a stage. A stage is handed an Assignment, a Bench and the providers, and returns what it Made."""
