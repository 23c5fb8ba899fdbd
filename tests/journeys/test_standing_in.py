"""Providers in an order: one does what those before it can't just now, under its own name, at its own place."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest
from redis.asyncio import Redis
from sqlalchemy import text

from reelwright import providers
from reelwright.admission import Place
from reelwright.generations import Artefact, ArtefactKind, Assignment, Bench, GenerationKind, Made, Stage, Unit
from reelwright.ground.ids import ArtefactId, GenerationId, fresh
from reelwright.journeys import offering, production, reuse
from reelwright.journeys.offering import SwitchedOff
from reelwright.journeys.workroom import Workroom, place_of
from reelwright.providers import Craft, Lane, ProviderAway, Toolset, model_of
from reelwright.providers.circuit import Verdict
from reelwright.providers.fuses import Fuses
from reelwright.providers.openai_connection import CallBudget, OpenAIConnection
from reelwright.providers.services import SERVICES
from reelwright.providers.text import OpenAIText
from tests.builders import an_account
from tests.journeys.conftest import PLACES, TIMINGS, Studio, due_now, one, order, waiting
from tests.simulators.openai import (
    Fault,
    Receive,
    Send,
    SimulatedOpenAI,
    chat,
    content_of,
    fails,
    give,
    says,
    simulated_openai,
    warmed_up,
)
from tests.simulators.services import KEY, SimulatedServices, message, simulated_services
from worker.stages import story_writing

FIRST, SECOND = model_of("openai", Craft.TEXT), model_of("anthropic", Craft.TEXT)
WRITING = [place_of(model.provider, model.name, Lane.INTERACTIVE) for model in (FIRST, SECOND)]


@dataclass
class Two:
    """Two services that write, the second in the first one's stead, and the fuses before them."""

    first: SimulatedOpenAI
    second: SimulatedServices
    fuses: Fuses
    room: Workroom

    def rests(self, *models: providers.Model) -> None:
        for model in models:
            fuse = self.fuses.of(model.provider, model.name)
            for _ in range(5):
                fuse.settle(fuse.admit(), Verdict.UNREACHED)

    async def story(self) -> dict[str, Any]:
        """Order a script, deliver its first two runs and return how the story's stands."""
        account = await an_account(self.room.db)
        await order(account, self.room.db, self.room.gate, kind=GenerationKind.SCRIPT)
        for _ in range(2):
            await self.deliver()
        return await one(self.room.db, "SELECT state, attempt FROM stage_runs WHERE stage = 'STORY_WRITING'")

    async def deliver(self) -> None:
        await due_now(self.room.db)
        for said in await waiting(self.room.db):
            await production.perform(said, room=self.room)

    async def rows(self) -> list[tuple[Any, ...]]:
        async with self.room.db.begin() as tx:
            found = await tx.exec_driver_sql(
                "SELECT provider, fence, call_no, state FROM provider_calls ORDER BY began_at"
            )
            return [tuple(row) for row in found]


@pytest.fixture(scope="module")
async def servers() -> AsyncIterator[tuple[SimulatedOpenAI, SimulatedServices]]:
    async with simulated_openai() as first, simulated_services() as second:
        await warmed_up(first)
        yield first, second


@pytest.fixture
def two(room: Workroom, servers: tuple[SimulatedOpenAI, SimulatedServices]) -> Two:
    for server in servers:
        server.begin_anew()
    first, second = servers
    fuses = Fuses()
    budget = CallBudget(total_s=4.0, attempt_s=3.0, first_wait_s=0.01)

    def tools(url: str, model: providers.Model) -> Toolset:
        line = OpenAIConnection(api_key=KEY, base_url=url, budget=budget, fuses=fuses, service=SERVICES[model.provider])
        nobody: Any = None
        return Toolset(
            text=OpenAIText(line, model), picture=nobody, vision=nobody, speech=nobody, music=nobody, pages=nobody
        )

    return Two(
        first=first,
        second=second,
        fuses=fuses,
        room=replace(
            room,
            tools=tools(first.base_url, FIRST),
            hands={(SECOND.provider, SECOND.name): tools(second.url_of("anthropic"), SECOND)},
            stages={**room.stages, Stage.STORY_WRITING: story_writing.perform},
            places={**room.places, Stage.STORY_WRITING: replace(WRITING[0], instead=(WRITING[1],))},
            timings=replace(TIMINGS, stage_deadline=TIMINGS.stage_deadline * 2),
        ),
    )


async def test_the_next_one_works_while_the_first_rests_and_all_is_in_its_name(two: Two, redis: Redis) -> None:
    """Who is billed, whose place is held and who is asked are one; the hold was of the work, whoever does it."""
    held: list[list[str]] = []

    async def looks(send: Send, receive: Receive) -> None:
        del receive
        held.append([key.decode() async for key in redis.scan_iter("app:conc:provider:*")])
        await give(send, _message(two.second.asked[-1].body))

    two.second.faults = [looks]
    two.rests(FIRST)
    run = await two.story()
    assert (run["state"], run["attempt"]) == ("succeeded", 1)
    assert (two.first.asked, len(two.second.asked)) == ([], 1)
    assert [key.split(":")[3:5] for key in held[0]] == [[SECOND.provider, SECOND.name]]
    assert await two.rows() == [("anthropic", 1, 0, "answered")]
    used = await one(
        two.room.db,
        "SELECT u.provider, u.model, u.credits_micro, u.cost_nano_usd, h.amount_micro FROM usage_ledger u"
        " JOIN credit_holds h ON h.generation_id = u.generation_id WHERE u.stage = 'STORY_WRITING'",
    )
    assert (used["provider"], used["model"]) == (SECOND.provider, SECOND.name)
    assert used["cost_nano_usd"] == 700 * 1000 + 300 * 100 + 200 * 5000
    assert 0 < used["credits_micro"] <= used["amount_micro"]


def _message(body: dict[str, Any]) -> bytes:
    rules = {"role": "system", "content": body["system"]}
    asked = {"messages": [rules, *body["messages"]], "response_format": {"json_schema": {"name": "stories"}}}
    return message(content_of(asked))


OWN: dict[str, Fault] = {
    "key": fails(401),
    "rights": fails(403),
    "model": fails(404),
    "account": fails(429, code="insufficient_quota"),
}


@pytest.mark.parametrize("case", OWN)
async def test_a_refusal_that_is_between_the_provider_and_us_is_anothers_work(two: Two, case: str) -> None:
    two.first.always = OWN[case]
    run = await two.story()
    assert (run["state"], run["attempt"]) == ("succeeded", 1)
    assert (len(two.first.asked), len(two.second.asked)) == (1, 1)
    assert await two.rows() == [("openai", 1, 0, "failed"), ("anthropic", 1, 1, "answered")]


async def test_what_the_first_charged_in_vain_is_on_the_ledger_and_nobody_pays_for_it(two: Two) -> None:
    """A story that has to be repaired, and the key is withdrawn in between: 1,200 tokens for nothing."""
    two.first.faults = [says(chat("Sorry, no JSON.")), fails(401)]
    assert (await two.story())["state"] == "succeeded"
    async with two.room.db.begin() as tx:
        found = await tx.exec_driver_sql(
            "SELECT provider, credits_micro > 0, cost_nano_usd > 0, quantity FROM usage_ledger"
            " WHERE stage = 'STORY_WRITING' ORDER BY call_no"
        )
        assert [tuple(row) for row in found] == [("anthropic", True, True, 1), ("openai", False, True, 0)]


async def test_a_refusal_of_what_was_asked_is_nobody_elses_work(two: Two) -> None:
    """Going from one to the next until somebody writes it would be a way around every provider's rules."""
    two.first.always = fails(400, code="content_policy_violation")
    await two.story()
    ended = await one(two.room.db, "SELECT state, failure_code FROM generations")
    assert (ended["state"], ended["failure_code"]) == ("failed", "provider.policy")
    assert two.second.asked == []


async def test_the_models_own_refusal_is_nobody_elses_work(two: Two) -> None:
    two.first.always = says(chat(None, refusal="I can't."))
    await two.story()
    assert (await one(two.room.db, "SELECT failure_code FROM generations"))["failure_code"] == "provider.policy"
    assert two.second.asked == []


async def test_while_all_rest_the_run_waits_uncounted(two: Two) -> None:
    two.rests(FIRST, SECOND)
    run = await two.story()
    assert (run["state"], run["attempt"]) == ("queued", 0)
    assert (two.first.asked, two.second.asked, await two.rows()) == ([], [], [])
    waits = await one(
        two.room.db,
        "SELECT extract(epoch FROM next_attempt_at - clock_timestamp())::float AS s FROM stage_runs"
        " WHERE stage = 'STORY_WRITING'",
    )
    assert 13 < waits["s"] <= 18
    assert (await one(two.room.db, "SELECT state FROM generations"))["state"] == "running"


async def test_a_call_that_failed_is_tried_again_at_the_same_one(two: Two) -> None:
    """One retry authority: a slow minute of the first one's is no reason to pay two."""
    two.first.always = fails(500)
    run = await two.story()
    assert (run["state"], run["attempt"], two.second.asked) == ("queued", 1, [])
    two.first.always = None
    await two.deliver()
    assert (await one(two.room.db, "SELECT state FROM stage_runs WHERE stage = 'STORY_WRITING'"))[
        "state"
    ] == "succeeded"


async def test_one_that_is_switched_off_is_passed_over_and_new_work_is_taken(two: Two) -> None:
    both = two.room.places[Stage.STORY_WRITING]
    async with two.room.db.begin() as tx:
        await providers.switch(tx, FIRST.provider, None, on=False)
    providers.forget_switches(two.room.db)
    await offering.check_on([both], db=two.room.db)
    assert (await two.story())["state"] == "succeeded"
    assert (two.first.asked, len(two.second.asked)) == ([], 1)
    async with two.room.db.begin() as tx:
        await providers.switch(tx, SECOND.provider, None, on=False)
    providers.forget_switches(two.room.db)
    with pytest.raises(SwitchedOff):
        await offering.check_on([both], db=two.room.db)
    providers.forget_switches(two.room.db)


def _task(stage: Stage, *spoken_by: str) -> Assignment:
    some: Any = None
    spoken = tuple(
        Artefact(
            id=ArtefactId(fresh()),
            generation_id=GenerationId(fresh()),
            kind=ArtefactKind.NARRATION,
            key="k",
            media_type="audio/wav",
            size_bytes=1,
            sha256="s",
            inputs_hash="i",
            scene=0,
            meta={"by": by},
        )
        for by in spoken_by
    )
    return Assignment(
        generation_id=GenerationId(fresh()),
        account_id=some,
        kind=GenerationKind.VIDEO,
        unit=Unit(stage=stage, scene=1),
        attempt=1,
        draft=some,
        artefacts=spoken,
    )


def test_who_has_begun_to_speak_a_reel_speaks_on(room: Workroom) -> None:
    """Half of a reel in one voice and half in another is no reel."""
    voices = [Place(provider=name, model="m", lane="interactive", cap=4) for name in ("a", "b", "c")]
    places = {**PLACES, Stage.TTS_GENERATION: replace(voices[0], instead=tuple(voices[1:]))}
    speaking = replace(room, places=places)

    def turns(*spoken_by: str) -> list[str]:
        rooms = speaking.turns(_task(Stage.TTS_GENERATION, *spoken_by))
        return [each.places[Stage.TTS_GENERATION].provider for each in rooms]

    assert turns() == ["a", "b", "c"]
    assert turns("b:m") == ["b"]
    assert turns("gone:m") == ["a", "b", "c"]


async def test_two_scenes_at_once_are_spoken_by_one_although_the_first_goes_away_between_them(
    room: Workroom, studio: Studio
) -> None:
    """The first to be kept is the reel's voice; what the other cost is ours, and nobody is charged twice."""
    first, second = (Place(provider=name, model="m", lane="interactive", cap=4) for name in "ab")
    together, said = asyncio.Barrier(2), list[tuple[int | None, str]]()

    async def speaks(task: Assignment, tools: Any, bench: Bench) -> Made:
        if task.unit.scene == 1 and tools == "a" and len(said) < 2:
            away = ProviderAway("Resting.", wait=timedelta(0))
            away.ours = True
            raise away
        said.append((task.unit.scene, tools))
        if len(said) <= 2:
            await together.wait()
        made = studio.made(task, bench)
        (file,), (use,) = made.artefacts, made.uses
        named = replace(file, meta={"by": f"{tools}:m"})
        return replace(made, artefacts=(named,), uses=(replace(use, provider=tools, model="m"),))

    speaking: Any = replace(
        room,
        tools="a",
        hands={("b", "m"): "b"},
        stages={**room.stages, Stage.TTS_GENERATION: speaks},
        places={**PLACES, Stage.TTS_GENERATION: replace(first, instead=(second,))},
    )
    await order(await an_account(room.db), room.db, room.gate)
    while messages := await waiting(room.db):
        await due_now(room.db)
        await asyncio.gather(*(production.perform(message, room=speaking) for message in messages))
    assert sorted(said[:2]) == [(0, "a"), (1, "b")]
    assert len(said) == 3
    async with room.db.begin() as tx:
        voices = set(await tx.scalars(text("SELECT meta->>'by' FROM artefacts WHERE kind = 'narration'")))
        sold = (
            await tx.execute(text("SELECT provider, credits_micro FROM usage_ledger WHERE stage = 'TTS_GENERATION'"))
        ).all()
    (voice,) = voices
    charged = [f"{row.provider}:m" for row in sold if row.credits_micro]
    assert (len(sold), charged) == (3, [voice, voice])
    assert (await one(room.db, "SELECT state FROM generations"))["state"] == "succeeded"


def test_a_name_is_of_who_made_it_and_others_work_serves_as_well(room: Workroom) -> None:
    drawing = [Place(provider=name, model="m", lane="interactive", cap=4) for name in ("a", "b")]
    places = {Stage.VISUAL_GENERATION: replace(drawing[0], instead=(drawing[1],))}
    first, second = replace(room, places=places).turns(_task(Stage.VISUAL_GENERATION))
    prompt = providers.PROMPT_VERSIONS["picture"]
    assert reuse.makers_of(first.places)[Stage.VISUAL_GENERATION] == (f"a:m/{prompt}", f"b:m/{prompt}")
    assert reuse.makers_of(second.places)[Stage.VISUAL_GENERATION] == (f"b:m/{prompt}", f"a:m/{prompt}")
    assert second.place(Stage.VISUAL_GENERATION, "interactive") == drawing[1]


@pytest.mark.parametrize(
    ("stage", "prompt"), {Stage.VISUAL_GENERATION: "picture", Stage.VISUAL_VERIFICATION: "judge"}.items()
)
def test_another_prompt_is_another_maker(stage: Stage, prompt: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A picture of the old prompt, or a verdict of the old judge, is none of a new one; offline there are none."""

    def makers() -> list[tuple[str, ...]]:
        named = [Place(provider=name, model="m", lane="interactive", cap=4) for name in ("openai", "offline")]
        return [reuse.makers_of({stage: place})[stage] for place in named]

    before = makers()
    monkeypatch.setattr(providers, "PROMPT_VERSIONS", {**providers.PROMPT_VERSIONS, prompt: "2031-01-a"})
    assert [old == new for old, new in zip(before, makers(), strict=True)] == [False, True]
