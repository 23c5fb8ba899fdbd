"""Drafts, generations, variants, scenes, stage runs and artefacts."""
