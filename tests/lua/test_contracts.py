"""A script's header is a contract: it says what the code does with its keys and arguments. No file is without one."""

import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pytest

from reelwright.ground.packaged import packaged

SCRIPTS = sorted((packaged("lua") / "admission").glob("*.lua"))
MODULE = Path(__file__).parents[2] / "src" / "reelwright" / "admission"
RECEIPT_FIELDS = 11
ALLOWED = {"redis", "string", "table", "math", "ipairs", "pairs", "tonumber", "KEYS", "ARGV"}
FILLS = {"SET", "INCRBY", "ZADD"}
WRITES = FILLS | {"DECRBY", "DEL", "ZREM", "ZREMRANGEBYSCORE", "PEXPIRE"}
READS = {"GET", "MGET", "ZCARD", "ZCOUNT", "ZRANGE", "ZRANGEBYSCORE", "ZRANK", "ZSCORE", "EXISTS", "PTTL", "TIME"}
PART_OF_A_PAIR = {"INCRBY": {"admit": {"KEYS[4]", "KEYS[6]"}}}
"""The month's counters are hydrated with their end before `admit` adds to them: it asks where one is missing."""


@dataclass(frozen=True)
class Script:
    path: Path

    @cached_property
    def text(self) -> str:
        return self.path.read_text()

    @cached_property
    def header(self) -> str:
        return self.text[: self.text.index("]]")]

    @cached_property
    def code(self) -> str:
        """What runs: without header, comments and the insides of strings."""
        bare = re.sub(r"--[^\n]*", "", self.text[self.text.index("]]") + 2 :])
        return re.sub(r'"[^"\n]*"', '""', bare)

    @cached_property
    def commands(self) -> list[str]:
        return re.findall(r'redis\.call\("([A-Z]+)"', self.text)

    def promised(self, section: str) -> tuple[set[int], bool]:
        """The numbers that a section of the header explains, and whether it goes on without end."""
        body = re.search(rf"^  {section} (.*?)(?=^  [A-Z]{{4,}} |\Z)", self.header, re.DOTALL | re.MULTILINE)
        assert body, f"{self.path.name} explains no {section}"
        numbers = set()
        for first, dots, last in re.findall(r"(?:(?<=\s))(\d+)(\.\.)?(\d+)? +[a-z(]", body[1]):
            numbers |= set(range(int(first), int(last or first) + 1))
            if dots and not last:
                return numbers, True
        return numbers, False

    def used(self, name: str) -> set[int]:
        return {int(number) for number in re.findall(rf"{name}\[(\d+)\]", self.code)}


@pytest.fixture(params=SCRIPTS, ids=lambda path: path.stem)
def script(request: pytest.FixtureRequest) -> Script:
    return Script(request.param)


def test_the_room_has_its_scripts() -> None:
    """A missing file is a missing verb: the primitives that others name among them."""
    assert {path.stem for path in SCRIPTS} == {
        *("admit", "withdraw", "confirm", "renew", "release", "refund", "plan", "hydrate", "reconcile", "peek"),
        *("counter_with_limit", "cooldown", "claim", "semaphore_acquire", "semaphore_release", "semaphore_slow"),
    }


def test_a_script_opens_with_its_contract(script: Script) -> None:
    lines = script.text.splitlines()
    assert lines[0] == f"--[[ admission/{script.path.stem}"
    assert lines[1].startswith("  ")
    assert lines[1].strip()
    assert list(re.findall(r"^  ([A-Z]{4,}) ", script.header, re.MULTILINE)) == ["KEYS", "ARGV", "RETURN"]
    assert len(lines) <= 80
    assert max(map(len, lines)) <= 120


@pytest.mark.parametrize("section", ["KEYS", "ARGV"])
def test_a_contract_names_every_key_and_argument_in_use(script: Script, section: str) -> None:
    promised, endless = script.promised(section)
    used = script.used(section)

    assert promised == set(range(1, max(promised) + 1)), "numbered without a gap"
    assert used <= promised
    computed = section + "[" in re.sub(rf"{section}\[\d+\]", "", script.code)
    assert endless <= computed
    assert used == promised or computed, f"{promised - used} stand in the contract and nowhere else"


def test_a_contract_names_every_verdict(script: Script) -> None:
    """Whatever a reply may begin with stands behind RETURN, and the gate or a test knows it."""
    returned = script.header.split("  RETURN ")[1]
    body = script.text[script.text.index("]]") :]
    replies = "\n".join(
        line for line in body.splitlines() if re.search(r"\breturn \{|verdict =|refused, admitted", line)
    )
    verdicts = set(re.findall(r'(?:\{ |and |or )"([a-z_]+)"', replies))
    assert all(re.search(rf"\b{verdict}\b", returned) for verdict in verdicts)


def test_a_script_runs_everywhere(script: Script) -> None:
    """No global but the few that every server has; one accidental global would poison a shared one."""
    assert "function " not in re.sub(r"local function ", "", script.code)
    assigned = set(re.findall(r"^\s*([a-z_]+)(?:, [a-z_]+)* = ", script.code, re.MULTILINE))
    declared = set(re.findall(r"[a-z_]+", " ".join(re.findall(r"local (?:function )?([a-z_, ]+)", script.code))))
    assert assigned <= declared
    called = set(re.findall(r"(?<![\w.\]])([A-Za-z_]+)(?=[.(\[])", script.code))
    keywords = {"if", "and", "or", "not", "return", "in", "function", "elseif"}
    assert called - declared - keywords <= ALLOWED


def test_a_script_uses_only_known_commands(script: Script) -> None:
    assert set(script.commands) <= WRITES | READS


def test_every_key_that_is_filled_is_given_an_end(script: Script) -> None:
    """The fixture of every test sees it live; here it cannot be forgotten on a path that no test walks."""
    for line in script.text.splitlines():
        assert line.count('redis.call("SET"') == len(re.findall(r'redis\.call\("SET", .*?"PX"', line)), line
    ended = set(re.findall(r'redis\.call\("PEXPIRE", (KEYS\[\w+\]|\w+)', script.text))
    spelt = {"KEYS[3]": "KEYS[key]", "KEYS[5]": "KEYS[key]"} if script.path.stem == "semaphore_acquire" else {}
    for verb in FILLS - {"SET"}:
        filled = set(re.findall(rf'redis\.call\("{verb}", (KEYS\[\w+\]|\w+)', script.text))
        filled -= PART_OF_A_PAIR.get(verb, {}).get(script.path.stem, set())
        assert filled <= ended | {key for key, other in spelt.items() if other in ended}


def test_every_rebuilt_receipt_has_all_its_fields(script: Script) -> None:
    """Whoever reads one takes it apart by its eleven fields."""
    for spelt in re.findall(r'"((?:confirmed|released)\|{10})"', script.text):
        assert len(spelt.split("|")) == RECEIPT_FIELDS
    assert not re.findall(r'"(?:confirmed|released)(?:\|{2,9}|\|{11,})"', script.text)


def test_every_script_is_run_by_its_name() -> None:
    """By the room, and by nobody outside of it."""
    run = re.compile(r'(?:scripts\.run\(\s*|\bCall\(\s*name=)"([a-z_]+)"')
    assert {name for path in MODULE.glob("*.py") for name in run.findall(path.read_text())} == {
        path.stem for path in SCRIPTS
    }
    others = [path for path in MODULE.parent.rglob("*.py") if path.parent != MODULE]
    assert not [path.name for path in others if run.search(path.read_text())]


def test_the_readme_lists_every_script_and_key() -> None:
    readme = (packaged("lua") / "README.md").read_text()
    assert set(re.findall(r"^\| `admission/([a-z_]+)` \|", readme, re.MULTILINE)) == {path.stem for path in SCRIPTS}
    spelled = re.findall(r'f?"(app:[^"]+)"', (MODULE / "keys.py").read_text())
    listed = re.findall(r"^\| `(app:[^`]+)` \| (string|zset) \|", readme, re.MULTILINE)
    suffixes = re.findall(r'place\(provider, model, lane\) \+ "(:[a-z:]+)"', (MODULE / "keys.py").read_text())
    assert len(listed) == len(spelled) + len(suffixes)
    for key in spelled:
        assert re.sub(r"\{.*", "", key) in readme
    for suffix in suffixes:
        assert f"{{lane}}{suffix}`" in readme


def test_the_readme_names_who_writes_each_key() -> None:
    """A script that is named there exists, and every script that writes is named."""
    readme = (packaged("lua") / "README.md").read_text()
    rows = re.findall(r"^\| `app:.*\| ([a-z_, ]+) \|$", readme, re.MULTILINE)
    named = {name for row in rows for name in row.split(", ")}
    assert named == {path.stem for path in SCRIPTS if WRITES & set(Script(path).commands)}
