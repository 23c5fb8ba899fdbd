"""What a request logs says whose it is: its request id, and the generation that it is about."""

from typing import Any

import httpx
import pytest
import structlog

from reelwright.journeys import accepting, stopping


async def test_the_generation_of_a_request_is_named_in_all_that_it_logs(
    api: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[dict[str, Any]] = []
    asked, wrote = stopping.pause, accepting.at_once

    async def listening_pause(*given: Any, **named: Any) -> None:
        heard.append(structlog.contextvars.get_contextvars())
        await asked(*given, **named)

    async def listening_write(*given: Any, **named: Any) -> Any:
        heard.append(structlog.contextvars.get_contextvars())
        return await wrote(*given, **named)

    monkeypatch.setattr(stopping, "pause", listening_pause)
    monkeypatch.setattr(accepting, "at_once", listening_write)
    made = await api.post("/v1/create", json={"topic": "Cats"}, headers={"Idempotency-Key": "k"})
    generation = made.json()["generation_id"]
    await api.post(f"/v1/generations/{generation}/pause", headers={"X-Request-Id": "request-2"})

    assert [each["generation_id"] for each in heard] == [generation, generation]
    assert heard[1]["request_id"] == "request-2"
    assert "generation_id" not in structlog.contextvars.get_contextvars()
