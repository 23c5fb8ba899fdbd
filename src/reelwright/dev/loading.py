"""Loads a program of ours before anybody can say what it will work with, then runs it there.

`python -m reelwright.dev.loading DESCRIPTOR MODULE [ARGUMENT...]`: the module is imported, which takes seconds, while
its servers are still being made. Then its environment is read from the descriptor, as JSON up to its end, and the
module's `main` called. An end without a word means that nobody wants it any more.
"""

import importlib
import json
import os
import sys


def main() -> None:
    """Load, wait, run."""
    descriptor, name, *arguments = sys.argv[1:]
    module = importlib.import_module(name)
    with os.fdopen(int(descriptor), encoding="utf-8") as told:
        environment = told.read()
    if environment:
        os.environ.clear()
        os.environ.update(json.loads(environment))
        sys.argv = [name, *arguments]
        module.main()


if __name__ == "__main__":
    main()
