"""`python -m reelwright` is the command `reelwright`."""

from reelwright.cli import main

main()
