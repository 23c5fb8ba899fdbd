"""A process that has just started shows at 0 what the alarms count: Prometheus sees no increase in a new series."""

import asyncio
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from prometheus_client import Counter
from prometheus_client.parser import text_string_to_metric_families

from reelwright import billing, notices
from reelwright.dev.child import free_port
from reelwright.dev.program import Program
from reelwright.ground import telemetry
from tests.deployment.conftest import ROOT
from tests.deployment.test_operations import RULES

_SELECTED = re.compile(r"(reelwright_[a-z_]+_total)(?:\{([^}]*)\})?")
_MATCHER = re.compile(r'(\w+)=~?"([^"]*)"')
_MODELS = {("openai", "gpt-test"), ("minimax", "MiniMax-M3")}
_OUTCOMES = {"answered", "rate_limited", "away", "refused", "broken", "circuit_open"}
_OUTAGE = re.compile(r'Outage\(\s*(?:f?"[^"]*"\s*)+,\s*code="([a-z_.]+)"')
_ELSEWHERE = {"youtube_upload", "youtube_access"}  # publishing, which is no stage
_NOT_THERE = {"failpoint.outage", "media.busy"}
DEADLY = {
    *("stage.exhausted", "stage.bug", "stage.deadline", "stage.lost", "generation.deadline", "gate.failed"),
    *("worker.no_workspace", "worker.media_failed", "provider.unavailable", "source.unreachable", "voice.late"),
    *("storage.unavailable", "storage.not_found", "storage.corrupt", "admission.unavailable"),
    *("database.unavailable", "database.conflict"),
}
_UNTRACKED = {
    *(("requests", reason) for reason in ("queue_full", "shutdown", "bug")),
    *(("calls", code) for code in ("database.unavailable", "database.conflict")),
}
KNOWN: dict[str, set[tuple[str, ...]]] = {
    "reelwright_dead_letters_total": {(code,) for code in DEADLY},
    "reelwright_provider_calls_total": {(*model, outcome) for model in _MODELS for outcome in _OUTCOMES},
    "reelwright_provider_repeats_total": _MODELS,
    "reelwright_usage_untracked_total": _UNTRACKED,
    "reelwright_stripe_events_total": {
        (family, outcome) for family in (*billing.Family, "other") for outcome in ("failed", "refused")
    },
    "reelwright_mails_total": {(kind, outcome) for kind in notices.Kind for outcome in ("given_up", "lost")},
}
"""Each labelled counter of an alarm, with the labels that are known before anything is counted."""
_COUNTERS = [metric for metric in vars(telemetry).values() if isinstance(metric, Counter)]
_WORKERS_OWN = {"reelwright_provider_calls_total", "reelwright_provider_repeats_total", "reelwright_mails_total"}


@pytest.mark.parametrize("name", ["reelwright.app", "worker.app"])
async def test_a_process_begins_what_the_alarms_count_at_0(
    name: str, database_url: str, valkey_url: str, tmp_path: Path
) -> None:
    port = free_port()
    told = {
        "REELWRIGHT_ENVIRONMENT": "test",
        "DATABASE_URL": database_url,
        "REDIS_URL": valkey_url,
        "REELWRIGHT_STORAGE_URL": f"file://{tmp_path}/kept",
        "REELWRIGHT_WORKER_URL": f"http://127.0.0.1:{port}",
        "QSTASH_URL": "http://127.0.0.1:9",
        "QSTASH_TOKEN": "token",
        "QSTASH_CURRENT_SIGNING_KEY": "sig_test_current_key_of_32_chars__",
        "REELWRIGHT_TEXT_PROVIDER": "openai,minimax",
        "REELWRIGHT_TEXT_MODEL": "gpt-test",
        "OPENAI_API_KEY": "k",
        "MINIMAX_API_KEY": "k",
    }
    program = Program(name, [sys.executable, "-m", name], port=port, environment=told, log=tmp_path / "log")
    program.start()
    try:
        await asyncio.to_thread(program.await_ready)
        async with httpx.AsyncClient(trust_env=False) as client:
            page = (await client.get(f"http://127.0.0.1:{port}/metrics")).text
    finally:
        await asyncio.to_thread(program.stop)
    shown = {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(page)
        for sample in family.samples
    }
    for counter, labels in _selected():
        if name == "worker.app" or not (counter in _WORKERS_OWN or labels.get("source") == "calls"):
            assert shown.get((counter, frozenset(labels.items()))) == 0, (counter, labels)


def _selected() -> Iterator[tuple[str, dict[str, str]]]:
    """Yield each series that an alarm's expression takes, with its labels; {} of a counter that has none."""
    kinds = {f"{one._name}_total": one._labelnames for one in _COUNTERS}
    for rule in RULES:
        for counter, matchers in _SELECTED.findall(rule["expr"]):
            wanted = {label: set(said.split("|")) for label, said in _MATCHER.findall(matchers)}
            every = [dict(zip(kinds[counter], values, strict=True)) for values in KNOWN.get(counter, {()})]
            taken = [labels for labels in every if all(labels[label] in said for label, said in wanted.items())]
            assert taken, rule["expr"]
            yield from ((counter, labels) for labels in taken)


def test_every_outage_that_may_end_a_generation_is_known() -> None:
    places = [*ROOT.glob("worker/**/*.py"), *ROOT.glob("src/reelwright/ground/*.py")]
    places += [path for path in ROOT.glob("src/reelwright/providers/**/*.py") if path.stem not in _ELSEWHERE]
    places += [ROOT / f"src/reelwright/journeys/{name}.py" for name in ("production", "calls", "ending", "holding")]
    found = {code for path in places for code in _OUTAGE.findall(path.read_text(encoding="utf-8"))}
    assert len(found) > 8
    assert found - _NOT_THERE <= DEADLY
