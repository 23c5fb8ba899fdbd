# ruff: noqa: INP001, T201 - a program for readers, run by its path
"""Receives signed webhooks and prints what they say: `python receiver.py PORT SECRET`."""

import sys
from http.server import BaseHTTPRequestHandler, HTTPServer

from standardwebhooks import Webhook, WebhookVerificationError

port, secret = int(sys.argv[1]), sys.argv[2]
seen = set[str]()


class Receiver(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        try:
            event = Webhook(secret).verify(body, dict(self.headers))
        except WebhookVerificationError:
            self.send_response(400)  # not from us, altered, or older than five minutes
        else:
            self.send_response(204)  # any 2xx: it isn't sent again
            if self.headers["webhook-id"] not in seen:  # the same one may come twice
                seen.add(self.headers["webhook-id"])
                print(event["type"], event["data"], flush=True)
        self.end_headers()


HTTPServer(("127.0.0.1", port), Receiver).serve_forever()
