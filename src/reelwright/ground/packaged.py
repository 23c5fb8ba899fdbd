"""Finds the folders that travel with the program: inside an installed wheel, or at the top of a checkout."""

from importlib.resources import files
from pathlib import Path


def packaged(folder: str) -> Path:
    """Return the folder (`lua`, `migrations`) as a path. Raises FileNotFoundError."""
    inside = Path(str(files("reelwright"))) / folder
    checkout = Path(__file__).resolve().parents[3] / folder
    for place in (inside, checkout):
        if place.is_dir():
            return place
    msg = f"the folder {folder!r} is missing from this installation: install Reelwright again"
    raise FileNotFoundError(msg)
