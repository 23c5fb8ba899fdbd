"""The schedules room: when a schedule is due, what it makes next, and every run of it."""
