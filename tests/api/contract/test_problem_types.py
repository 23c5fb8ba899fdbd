"""Every code that anybody may be answered with has a page, whose status is the one it comes with."""

from reelwright.api import answers
from reelwright.api.contract_schemas import FACTS
from reelwright.api.operations import operations
from reelwright.api.problem_types import TYPES
from reelwright.api.problems import STATUS
from reelwright.app import create_app
from reelwright.ground.errors import Kind
from tests.api.contract.codes import facts_told, kinds_by_code, limited_without_a_wait
from tests.api.snapshot import NOWHERE

OUTAGE = 503


def test_every_code_in_the_sources_has_a_page() -> None:
    found = kinds_by_code()
    assert len(found) > 90
    missing = sorted(set(found) - set(TYPES))
    assert not missing, f"say in src/reelwright/api/problem_types.toml what happened and what to do: {missing}"


def test_no_page_explains_what_nobody_says() -> None:
    doors = {"request.method_not_allowed", "request.not_acceptable", "request.too_large", "request.range"}
    assert set(TYPES) - set(kinds_by_code()) <= doors


def test_a_page_names_the_status_that_its_code_comes_with() -> None:
    wrong: dict[str, tuple[int, set[str]]] = {}
    for code, kinds in kinds_by_code().items():
        statuses = {OUTAGE if kind == "outage" else STATUS[Kind(kind)] for kind in kinds}
        known = TYPES.get(code)
        if known and known.status and statuses and code != "request.content_type" and known.status not in statuses:
            wrong[code] = known.status, kinds
    assert wrong == {}


def test_every_refusal_by_a_limit_tells_how_long_to_wait() -> None:
    """Its 429 promises a Retry-After; an outage's 503 has one always."""
    assert limited_without_a_wait() == set()


def test_the_contract_types_the_facts_that_refusals_tell_and_no_others() -> None:
    assert facts_told() == set(FACTS), "describe it in src/reelwright/api/contract_schemas.py"


def test_pages_are_sentences() -> None:
    for code, known in TYPES.items():
        assert known.happened.endswith("."), code
        assert known.remedy.endswith("."), code


def test_operations_name_handlers_and_codes_that_exist() -> None:
    handlers = {one.handler.fn.__name__ for one in operations(create_app(NOWHERE))}
    assert set(answers.CODES) | set(answers.HEADERS) <= handlers
    assert {code for codes in answers.CODES.values() for code in codes} <= {
        code for code in TYPES if TYPES[code].status
    }
