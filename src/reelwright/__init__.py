"""Reelwright turns a topic, an article or a URL into a checked, captioned, narrated short video."""

__version__ = "0.1.0"
