"""The real command line with stand-ins for API and worker: `command.py dev --data FOLDER` or `command.py use FOLDER`.

`use` works with the folder's stack as `make` does: it tells where that is, and ends when its input does.
"""

import sys
from pathlib import Path

from reelwright import cli
from reelwright.dev import running, stack

STANDIN = (sys.executable, str(Path(__file__).with_name("standin.py")))

if __name__ == "__main__":
    stack.API = stack.WORKER = STANDIN
    if sys.argv[1] == "use":
        with running.endpoints(Path(sys.argv[2])) as there:
            sys.stdout.write(there.base_url + "\n")
            sys.stdout.flush()
            sys.stdin.read()
    else:
        cli.main()
