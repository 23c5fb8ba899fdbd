"""The chunk program: one process a chunk, so that what it loads is paid for several times a reel."""

import subprocess
import sys

HEAVY = ("structlog", "numpy", "av", "sqlalchemy", "litestar", "imageio_ffmpeg")


def test_a_chunk_process_loads_nothing_heavy_that_it_never_uses() -> None:
    say = f"import sys, worker.chunk; print([name for name in {HEAVY!r} if name in sys.modules])"
    loaded = subprocess.run([sys.executable, "-c", say], capture_output=True, text=True, timeout=60, check=True)
    assert loaded.stdout.strip() == "[]"
