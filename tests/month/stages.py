"""Stages that make nothing and cost something: what they bill is added up here, apart from our own books."""

from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

from reelwright.generations import Assignment, Bench, GenerationKind, Made, Stage
from reelwright.ground.ids import AccountId, GenerationId
from reelwright.ground.metering import Action, Use
from reelwright.providers import ProviderAway, ProviderRefused
from tests.journeys.conftest import ACTIONS, Studio

_AWAY, _REFUSED, _CANCELLED, _DOOMED = 0.03, 0.006, 0.004, 0.01
_BILLED = {
    Action.STORY: (400_000, 3_000_000),
    Action.IMAGE: (5_000_000, 40_000_000),
    Action.VISION_CHECK: (100_000, 900_000),
    Action.SPEECH: (1_000_000, 9_000_000),
}
_CHARACTERS_S = 9  # a scene's part in a second of narration


@dataclass
class Bill:
    """What a provider would ask us to pay, in nano-USD, and for how many calls; failed ones too."""

    nano_usd: int = 0
    calls: int = 0
    failed: int = 0

    def add(self, uses: tuple[Use, ...], *, failed: bool) -> None:
        """Put calls on the bill."""
        self.nano_usd += sum(use.cost_nano_usd for use in uses)
        self.calls += len(uses)
        self.failed += len(uses) if failed else 0


@dataclass
class CostlyStages:
    """Performs every stage; a seed and an order's name decide how each call goes."""

    seed: int
    cancel: Callable[[Assignment], Awaitable[object]]
    names: dict[GenerationId, str] = field(default_factory=dict[GenerationId, str])
    demos: set[AccountId] = field(default_factory=set[AccountId])
    bill: Bill = field(default_factory=Bill)
    _made: Studio = field(default_factory=Studio)
    _calls: Counter[str] = field(default_factory=Counter[str])

    async def perform(self, task: Assignment, _tools: Any, bench: Bench) -> Made:
        """Do nothing, for a price; or fail, refuse, or have its owner call it off, for a price too."""
        name = self.names.get(task.generation_id, str(task.generation_id))
        doomed = Random(f"{self.seed} {name}").random() < _DOOMED
        call = f"{self.seed} {name} {task.unit}"
        self._calls[call] += 1
        chance = Random(f"{call} {self._calls[call]}")
        uses, end = self._uses(task, chance), chance.random()
        unpaid = task.unit.stage not in ACTIONS or task.unit.stage is Stage.INGESTION
        if not unpaid and (end < _AWAY or (doomed and task.unit.stage is Stage.STORY_WRITING)):
            raise self._failing(ProviderAway("Away for a moment."), task, uses)
        if not unpaid and end < _AWAY + _REFUSED:
            raise self._failing(ProviderRefused("Not this."), task, uses)
        if not unpaid and task.kind is GenerationKind.VIDEO and end < _AWAY + _REFUSED + _CANCELLED:
            await self.cancel(task)
        self._charge(task, uses, failed=False)
        return replace(self._made.made(task, bench), uses=uses)

    def _failing(
        self, error: ProviderAway | ProviderRefused, task: Assignment, uses: tuple[Use, ...]
    ) -> ProviderAway | ProviderRefused:
        self._charge(task, uses, failed=True)
        error.uses = uses
        return error

    def _charge(self, task: Assignment, uses: tuple[Use, ...], *, failed: bool) -> None:
        if task.account_id not in self.demos:
            self.bill.add(uses, failed=failed)

    def _uses(self, task: Assignment, chance: Random) -> tuple[Use, ...]:
        stage, length_s = task.unit.stage, task.draft.duration_s
        local = Use(action=Action.MIX, provider="local", model="ffmpeg", quantity=length_s * 1000)
        if stage is Stage.AUDIO_MIXING:
            return (replace(local, wall_ms=3_000),)
        if stage is Stage.VIDEO_ASSEMBLY and task.unit.chunk is None:
            return (
                Use(action=Action.RENDER, provider="local", model="ffmpeg", quantity=length_s * 1000, wall_ms=9_000),
            )
        action = ACTIONS.get(stage)
        if action is None:
            return ()
        made = Use(action=action, provider="offline", model="test", quantity=1, wall_ms=chance.randint(50, 4_000))
        if action.compute:
            return (made,)
        cost = chance.randint(*_BILLED[action])
        if action is Action.STORY:
            made = replace(made, prompt_tokens=chance.randint(500, 3_000), completion_tokens=chance.randint(200, 900))
        elif action is Action.SPEECH:
            made = replace(made, quantity=(spoken := length_s * _CHARACTERS_S), characters=spoken)
        elif action is Action.IMAGE:
            made = replace(made, images=1)
        return (replace(made, cost_nano_usd=cost),)
