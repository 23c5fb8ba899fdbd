"""UTC instants. Journeys take `now` as an argument; only doors and the roof ask."""

from datetime import UTC, datetime


def now() -> datetime:
    """Return the present instant, in UTC."""
    return datetime.now(UTC)
