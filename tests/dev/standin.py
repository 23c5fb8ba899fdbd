"""Stands in for API and worker: ready at once, tells its environment, has a child of its own in its group."""

import http.server
import json
import os
import subprocess
import sys


class Answers(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path == "/die":
            os._exit(1)
        content = json.dumps({"pid": os.getpid(), "child": CHILD.pid, "environment": dict(os.environ)}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        pass


if __name__ == "__main__":
    CHILD = subprocess.Popen(["sleep", "1000"])
    port = int(sys.argv[sys.argv.index("--port") + 1])
    http.server.ThreadingHTTPServer(("127.0.0.1", port), Answers).serve_forever()
