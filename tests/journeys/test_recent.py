"""What a writer is told of the account's last reels: ten, the newest first, nobody else's and never its own."""

from dataclasses import replace

from reelwright.billing import Plan
from reelwright.generations import Assignment, GenerationKind, Made, Stage, Written
from reelwright.ground.ids import GenerationId
from reelwright.journeys.workroom import Workroom
from tests.builders import an_account
from tests.journeys.conftest import Studio, a_story, deliver_all, order


async def test_a_story_knows_the_last_ten_of_its_account(room: Workroom, studio: Studio) -> None:
    account, stranger = await an_account(room.db, Plan.PRO), await an_account(room.db)
    heard: dict[GenerationId, tuple[str, ...]] = {}

    async def behave(task: Assignment) -> Made | None:
        if task.unit.stage is not Stage.STORY_WRITING:
            assert task.recent == ()
            return None
        heard[task.generation_id] = task.recent
        told = replace(a_story(), title=f"Title {len(heard)}", hook=f"Hook {len(heard)}")
        return Made(outcome=Written(stories=(told, a_story())))

    studio.behave = behave
    for number in range(12):
        await order(stranger if number == 1 else account, room.db, room.gate, kind=GenerationKind.SCRIPT)
        await deliver_all(room)
    told = list(heard.values())
    assert told[0] == told[1] == ()
    assert told[2] == ("Hook 1", "Title 1")
    assert told[11] == tuple(word for n in (11, 10, 9, 8, 7, 6, 5, 4, 3, 1) for word in (f"Hook {n}", f"Title {n}"))
