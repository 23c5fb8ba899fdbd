"""Asks the API all that its contract allows and forbids: `python -m tests.fuzz --minutes 10 --seed 1`."""

import argparse
import os
import random
import sys

import pytest

TEST = "tests/api/contract/test_fuzz.py"


def main() -> int:
    """Run the test at length; the seed that it prints repeats it."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--seed", type=int, default=random.randrange(1_000_000))
    chosen = parser.parse_args()
    os.environ["REELWRIGHT_FUZZ_SEED"] = str(chosen.seed)
    os.environ["REELWRIGHT_FUZZ_MINUTES"] = str(chosen.minutes)
    print(f"seed {chosen.seed}, {chosen.minutes} minutes", flush=True)  # noqa: T201 - a command
    return pytest.main([TEST, "-n", "0", "-q", "--show-capture=no", "-p", "no:cacheprovider", "--timeout=0"])


if __name__ == "__main__":
    sys.exit(main())
