"""The contract and the problems' pages, as a browser and as a program see them."""

import re

import httpx

from reelwright.api.problem_types import TYPES

OF_OURS = re.compile(r"/(schema|problems)[/\w.-]*")


async def test_the_contract_is_browsed_without_any_other_server(nobody: httpx.AsyncClient) -> None:
    page = await nobody.get("/schema")
    assert page.headers["content-type"].startswith("text/html")
    policy = page.headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "http" not in policy
    assert "unsafe" not in policy
    leads = re.findall(r'(?:src|href)="([^"]*)"', page.text)
    assert len(leads) == 3
    for lead in leads:
        assert OF_OURS.fullmatch(lead), lead
        asset = await nobody.get(lead)
        assert asset.status_code == 200
        assert len(asset.content) > 100
    assert "<script>" not in page.text, "the policy allows none that stands in the page"
    start = (await nobody.get("/schema/start.js")).text
    assert "validatorUrl: null" in start, "without it, the page shows our contract to a server of others"
    (document,) = re.findall(r'\burl: "([^"]+)"', start)
    assert document == "/schema/openapi.json", "the page's own address has no slash at its end to lead on from"


async def test_the_contract_is_served_to_programs(nobody: httpx.AsyncClient) -> None:
    answer = await nobody.get("/schema/openapi.json")
    assert answer.headers["content-type"] == "application/vnd.oai.openapi+json"
    assert answer.json()["openapi"] == "3.1.0"
    missing = await nobody.get("/schema/swagger-ui.js.map")
    assert (missing.status_code, missing.json()["code"]) == (404, "request.not_found")


async def test_a_problems_type_leads_to_its_page(nobody: httpx.AsyncClient) -> None:
    refused = (await nobody.get("/v1/limits")).json()
    told = (await nobody.get(refused["type"])).json()
    assert told["code"] == refused["code"] == "auth.required"
    assert (told["status"], told["title"]) == (refused["status"], refused["title"])
    page = await nobody.get(refused["type"], headers={"Accept": "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8"})
    assert page.headers["content-type"].startswith("text/html")
    assert "default-src 'self'" in page.headers["content-security-policy"]
    assert "auth.required" in page.text


async def test_every_problem_is_listed(nobody: httpx.AsyncClient) -> None:
    listed = (await nobody.get("/problems")).json()["problems"]
    assert {one["code"] for one in listed} == set(TYPES)
    page = await nobody.get("/problems", headers={"Accept": "text/html"})
    assert page.text.count("/problems/") == len(TYPES)
    unknown = await nobody.get("/problems/nothing.like_this")
    assert (unknown.status_code, unknown.json()["code"]) == (404, "request.not_found")


async def test_what_is_refused_by_its_method_is_told_which_there_are(nobody: httpx.AsyncClient) -> None:
    refused = await nobody.delete("/problems")
    assert (refused.status_code, refused.json()["code"]) == (405, "request.method_not_allowed")
    assert {"GET", "OPTIONS"} <= {name.strip() for name in refused.headers["allow"].split(",")}
    assert "Allow" in refused.json()["detail"], "says what to do"
    options = await nobody.options("/v1/limits")
    assert options.status_code in {204, 401}


async def test_an_address_without_anything_is_a_problem_too(nobody: httpx.AsyncClient) -> None:
    refused = await nobody.get("/v2/anything")
    assert refused.headers["content-type"] == "application/problem+json"
    assert refused.json()["detail"] != "Not Found"
