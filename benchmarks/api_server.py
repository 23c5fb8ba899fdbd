"""The real API for `api.py`: settings from the environment, `api_server.py --port N`.

One thing differs: the web's places, which an order takes until a worker has done its first stage, never run out. No
worker runs here, so after some eighty orders everybody would be told to wait.
"""

from reelwright import serving
from reelwright.app import create_app
from reelwright.providers import catalogue

catalogue._PAGES = dict.fromkeys(catalogue._PAGES, 10**6)  # noqa: SLF001 - see above

if __name__ == "__main__":
    serving.command(
        lambda settings, stopping: create_app(settings, stopping=stopping),
        prog="api_server.py",
        about="Serve the REST API, with room for every order.",
        port=8000,
    )
