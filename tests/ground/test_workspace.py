"""Work folders of killed workers don't fill the disk, and those of living ones are left alone."""

import signal
import subprocess
import sys
from pathlib import Path

from reelwright.ground.workspace import own_folder

PROGRAM = """
import sys, time
from pathlib import Path
from reelwright.ground.workspace import own_folder
own = own_folder(Path(sys.argv[1]))
(own / "half-made.mp4").write_bytes(b"x")
print(own, flush=True)
sys.stdin.read()
"""


def _worker(root: Path) -> tuple[subprocess.Popen[str], Path]:
    started = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(root)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert started.stdout is not None
    return started, Path(started.stdout.readline().strip())


def test_a_dead_workers_folder_goes_with_the_next_start(tmp_path: Path) -> None:
    living, kept = _worker(tmp_path)
    killed, left = _worker(tmp_path)
    with living, killed:
        killed.send_signal(signal.SIGKILL)
        killed.wait()
        assert (left / "half-made.mp4").exists()

        own = own_folder(tmp_path)

        assert not left.exists()
        assert (kept / "half-made.mp4").exists()
        assert own not in {left, kept}
        assert own_folder(tmp_path) != own
        assert own.exists(), "a second one in the same process leaves the first alone"
        living.communicate()
    assert not kept.exists(), "who ends by itself clears up itself"
