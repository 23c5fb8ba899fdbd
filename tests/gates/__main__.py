"""`python -m tests.gates`: spoil one reel in every way there is, and see the gates that fail."""

import os
import sys

import pytest

WORKER = "tests/worker/test_video_assembly.py"
os.environ["REELWRIGHT_GATES"] = "all"
sys.exit(pytest.main(["-n", "0", "-q", "-p", "no:cacheprovider", "tests/gates", WORKER, *sys.argv[1:]]))
