"""Which versions of a thing a change is meant for."""

from collections.abc import Set as AbstractSet
from typing import TypeAlias

Versions: TypeAlias = AbstractSet[int] | None
"""Those that its maker has read; None: any."""


def meant_for(found: int, expected: Versions) -> bool:
    """Whether a change that expects these versions may change this one."""
    return expected is None or found in expected
