"""A pytest plugin (`-p tests.machine.mutated`): the gate reads its scripts from the folder in REELWRIGHT_MUTANT."""

import os
from pathlib import Path

from reelwright.admission import scripts

scripts.packaged = lambda _folder: Path(os.environ["REELWRIGHT_MUTANT"])
