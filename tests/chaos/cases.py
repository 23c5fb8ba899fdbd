"""The table of all faults, F01 to F80 of the reference: what each is, and the test that makes it, or why there is none.

A module of cases says `@makes("F20", quick=True)` above an async function that takes the fleet: it sets the fault,
plays, and asserts what is special about it. test_chaos.py then lets everything recover and checks all invariants.
"""

import os
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from tests.chaos.fleet import Fleet

Play = Callable[[Fleet], Awaitable[None]]

EVERYTHING = os.environ.get("CHAOS") == "all"
SEED = int(os.environ.get("CHAOS_SEED", "1"))
SLICE = 2
"""How many quick cases the default run plays, chosen by the seed."""

FAULTS = {
    **{f"F{n:02}": f"kill -9 of a worker right after it claimed {stage}" for n, stage in enumerate((
        "INGESTION", "STORY_WRITING", "SCENE_GENERATION", "VISUAL_GENERATION and _VERIFICATION",
        "VIDEO_ and TTS_GENERATION", "AUDIO_MIXING", "VIDEO_ASSEMBLY"), start=1)},
    **{f"F{n:02}": f"kill -9 after the work of {stage} and before its commit" for n, stage in enumerate((
        "INGESTION", "STORY_WRITING", "SCENE_GENERATION", "VISUAL_GENERATION (stored) and _VERIFICATION",
        "VIDEO_ and TTS_GENERATION (stored)", "AUDIO_MIXING (in the transaction)", "VIDEO_ASSEMBLY"), start=8)},
    "F15": "kill -9 after the commit, before the answer",
    "F16": "kill -9 of a worker in the middle of ffmpeg",
    "F17": "kill -9 of ffmpeg alone",
    "F18": "ffmpeg hangs",
    "F19": "ffmpeg answers 0 and its file is cut short",
    "F20": "each message delivered five times",
    "F21": "one message delivered five times at once to two workers",
    "F22": "messages before their time, after it, and out of order",
    "F23": "message accepted and lost",
    "F24": "answer to a delivery lost",
    "F25": "worker frozen for two leases (SIGSTOP)",
    "F26": "event loop blocked for two leases",
    "F27": "two sweepers at once",
    "F28": "PostgreSQL restarts in the middle of a sweep",
    "F29": "kill -9 of the sweeper in the middle of a sweep",
    "F30": "a stage that kills its worker every time",
    "F31": "Redis emptied while work runs",
    "F32": "Redis restarts empty, and forgets its scripts",
    "F33": "Redis away for 30 s",
    "F34": "Redis slow",
    "F35": "Redis's reply lost after the script ran",
    "F36": "worker killed while it holds a place",
    "F37": "PostgreSQL restarts under load",
    "F38": "PostgreSQL stops as in a crash",
    "F39": "reply to a COMMIT lost that happened",
    "F40": "reply to a COMMIT lost that did not happen",
    "F41": "deadlock, serialization failure",
    "F42": "pool exhausted, long query",
    "F43": "relay dies after publishing, before marking",
    "F44": "relay dies after claiming",
    "F45": "publishing times out after it was accepted",
    "F46": "published again after the deduplication window",
    "F47": "queue away for ten minutes",
    "F48": "queue refuses a message for good",
    "F49": "queue's retries used up",
    "F50": "provider: 429 with every kind of Retry-After",
    "F51": "provider: 5xx three times, then well",
    "F52": "provider: connection refused, DNS, TLS",
    "F53": "provider never answers",
    "F54": "provider drips a byte a second",
    "F55": "provider answers rubbish",
    "F56": "provider charges and its reply is lost",
    "F57": "many calls when the breaker half opens",
    "F58": "disk full while rendering",
    "F59": "work folder read-only",
    "F60": "object store: 503, reset, reply lost",
    "F61": "object store returns wrong bytes",
    "F62": "a worker's clock is ten minutes off",
    "F63": "month ends while a job runs",
    "F64": "plan lowered while a job runs",
    "F65": "boost ends while a job runs",
    "F66": "user deleted while a job runs",
    "F67": "cancel races completion",
    "F68": "Stripe: twice, out of order, unknown",
    "F69": "SIGTERM with a stage in flight",
    "F70": "SIGTERM twice, SIGKILL after the grace",
    "F71": "old code and new code together",
    "F72": "migration waits behind a long transaction",
    "F73": "SSE clients that vanish or read slowly",
    "F74": "event loop blocked by our own code",
    "F75": "memory runs out while rendering",
    "F76": "one Idempotency-Key at two APIs at once",
    "F77": "API killed after its commit, client asks again",
    "F78": "provider's address changes",
    "F79": "a million outbox rows under a long transaction",
    "F80": "sweeper storm after a pause",
}  # fmt: skip

WAIVED: dict[str, str] = {
    "F66": "accounts can't be deleted yet: nothing calls it, and no row of an account is ever removed",
    "F68": "no payments yet: no Stripe event is taken in",
}

_STRESS = "tests/rooms/providers/test_openai_stress.py::"
SHOWN = {
    "F19": "tests/worker/test_ffmpeg.py::test_an_exit_code_of_zero_does_not_make_a_short_file_count",
    "F57": _STRESS + "test_f57_of_forty_that_race_after_the_rest_two_reach_the_provider",
    "F63": "tests/rooms/admission/test_periods.py::test_e15_e16_a_refund_goes_once_to_the_month_of_admission",
    "F67": "tests/journeys/test_stopping.py::test_of_cancel_and_completion_one_wins_and_the_money_is_the_winners",
    "F78": "tests/rooms/providers/test_moved.py::test_f78_who_moved_is_found_at_the_new_address",
}
"""Faults within one part that a test of its own makes: nothing of them is seen from outside."""


@dataclass(frozen=True, slots=True)
class Case:
    """One fault's test. `quick` ones may be drawn into the default run."""

    number: str
    play: Play
    quick: bool


CASES: dict[str, Case] = {}


def makes(number: str, *, quick: bool = False) -> Callable[[Play], Play]:
    """Enter a case in the table."""

    def enter(play: Play) -> Play:
        assert number in FAULTS, f"{number} is not in the table"
        assert number not in CASES, f"{number} has a test already"
        CASES[number] = Case(number, play, quick)
        return play

    return enter


def chosen() -> list[tuple[str, ...]]:
    """Return the cases of this run, by test: each on its own, or one seeded handful that shares its servers."""
    if EVERYTHING:
        return [(number,) for number in sorted(CASES)]
    quick = sorted(number for number, case in CASES.items() if case.quick)
    return [tuple(sorted(random.Random(SEED).sample(quick, min(SLICE, len(quick)))))]
