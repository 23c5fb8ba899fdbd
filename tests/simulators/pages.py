"""A small web server on loopback that answers bytes as told, lies and stalls included, and counts who came."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

Script = Callable[[asyncio.StreamWriter], Awaitable[None]]

_FIRST = (
    "The octopus has three hearts, and each of them does a different job in the body of the animal. Two small "
    "branchial hearts push blood through the gills, where it takes up oxygen from the sea water around it."
)
_SECOND = (
    "A larger systemic heart then sends the blood on to the arms and the organs. The blood is blue, because the "
    "protein that carries its oxygen holds copper where ours holds iron."
)
_THIRD = (
    "When an octopus swims, the systemic heart stops beating, so the animal tires quickly and prefers to crawl "
    "along the sea floor instead of swimming through open water."
)
PARAGRAPHS = (_FIRST, _SECOND, _THIRD)


def article(*, title: str = "Three hearts", paragraphs: tuple[str, ...] = PARAGRAPHS, head: str = "") -> bytes:
    """Return a plain article page."""
    body = "".join(f"<p>{p}</p>" for p in paragraphs)
    return (
        f"<!doctype html><html lang='en'><head><title>{title}</title>{head}</head>"
        f"<body><nav><a href='/'>Home</a></nav><article><h1>{title}</h1>{body}</article></body></html>"
    ).encode()


def answer(body: bytes, *, status: str = "200 OK", headers: Mapping[str, str] | None = None) -> bytes:
    """Return a whole response; the type is HTML unless the headers say otherwise."""
    lines = {"Content-Type": "text/html; charset=utf-8", "Content-Length": str(len(body)), **(headers or {})}
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"HTTP/1.1 {status}\r\n{head}Connection: close\r\n\r\n".encode() + body


def redirect(to: str, *, status: str = "302 Found") -> bytes:
    return answer(b"", status=status, headers={"Location": to})


@dataclass
class Pages:
    """What the server answers by path (bytes, or a script that writes), and the requests it has seen."""

    port: int = 0
    routes: dict[str, bytes | Script] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)

    def url(self, path: str = "/", *, host: str = "127.0.0.1") -> str:
        return f"http://{host}:{self.port}{path}"


@asynccontextmanager
async def serving(*, host: str = "127.0.0.1", port: int = 0, tls: ssl.SSLContext | None = None) -> AsyncIterator[Pages]:
    """Serve until the block ends; nothing outlives it."""
    pages = Pages()
    busy: set[asyncio.Task[None]] = set()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        busy.add(task)
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            pages.requests.append(head)
            route = pages.routes.get(head.split(" ")[1].split("?")[0], answer(b"none", status="404 Not Found"))
            if isinstance(route, bytes):
                writer.write(route)
                await writer.drain()
            else:
                await route(writer)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.close()
            with suppress(ConnectionError, asyncio.CancelledError):
                await writer.wait_closed()
            busy.discard(task)

    server = await asyncio.start_server(talk, host, port, ssl=tls)
    pages.port = server.sockets[0].getsockname()[1]
    try:
        yield pages
    finally:
        server.close()
        for task in list(busy):
            task.cancel()
        await asyncio.gather(*busy, return_exceptions=True)
        await server.wait_closed()
