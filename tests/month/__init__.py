"""A month of many people, day by day: `python -m tests.month --users 200 --seed 1`."""
