"""Redis: a client that gives up quickly and never retries behind our back."""

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff


def connect(url: str, *, timeout_ms: int | None = 250) -> "Redis":
    """Make a client whose every command ends within the time-out; None where the caller bounds each call itself.

    redis-py 8.1 retries ten times by default, EVAL included, so one lost reply would count a request again and again.
    """
    seconds = None if timeout_ms is None else timeout_ms / 1000
    return Redis.from_url(
        url,
        socket_timeout=seconds,
        socket_connect_timeout=seconds,
        retry=Retry(NoBackoff(), 0),
        health_check_interval=0 if seconds is None else 30,
    )
