"""What operations.md and alarms.yml say is so: the drill's own commands are run, and every alarm watches something."""

import asyncio
import os
import re
import subprocess
import sys
from pathlib import Path

import asyncpg
import yaml
from prometheus_client import REGISTRY

from reelwright.billing import Plan
from reelwright.dev.binaries import postgres_bin
from reelwright.ground import clock, migrations, postgres, telemetry
from reelwright.journeys import onboarding
from tests.conftest import new_database
from tests.deployment.conftest import ROOT

DOCUMENT = (ROOT / "docs/operations.md").read_text(encoding="utf-8")
RULES = yaml.safe_load((ROOT / "docs/alarms.yml").read_text(encoding="utf-8"))["groups"][0]["rules"]
_METRIC = re.compile(r"reelwright_[a-z_]+")


def test_every_alarm_watches_a_metric_that_exists_and_is_explained() -> None:
    assert telemetry.REFUSALS
    known = {family.name for family in REGISTRY.collect()}
    for rule in RULES:
        for name in _METRIC.findall(rule["expr"]):
            assert name.removesuffix("_total").removesuffix("_bucket") in known, name
    headings = re.findall(r"^### (\w+)$", DOCUMENT, re.MULTILINE)
    assert headings == [rule["alert"] for rule in RULES]
    for name in _METRIC.findall(DOCUMENT):
        assert name in known, name


async def test_the_restore_drill_works_as_printed(postgres_url: str, tmp_path: Path) -> None:
    here = await new_database(postgres_url, "reelwright_drill")
    there = await new_database(postgres_url, "reelwright_restored")
    migrations.upgrade(here)
    db = postgres.connect(here, name="drill", pool_size=1)
    for number in range(3):
        email = f"someone{number}@example.com"
        await onboarding.create_user(email=email, plan=Plan.PRO, role="user", live=True, db=db, now=clock.now())
    await db.close()

    drill = next(block for block in re.findall(r"```bash\n(.*?)```", DOCUMENT, re.DOTALL) if "pg_restore" in block)
    programs = f"{postgres_bin()}:{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = os.environ | {"DATABASE_URL": here, "RESTORED_URL": there, "PATH": programs}
    done = await asyncio.to_thread(
        subprocess.run,
        ["bash", "-euc", drill],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "3 accounts" in done.stdout

    counted = []
    for url in (here, there):
        connection = await asyncpg.connect(url)
        query = (
            "SELECT (SELECT count(*) FROM users), (SELECT sum(amount_micro) FROM credit_journal WHERE amount_micro > 0)"
        )
        counted.append(tuple(await connection.fetchrow(query) or ()))
        await connection.close()
    assert counted[0] == counted[1]
    assert counted[0][0] == 3
