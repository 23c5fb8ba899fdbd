"""/v1/admin/providers: a provider or model that is switched off gets no new calls, and says so."""

import httpx


async def test_what_is_switched_off_takes_no_new_work_until_it_is_on_again(
    api: httpx.AsyncClient, office: httpx.AsyncClient
) -> None:
    async def ordered(key: str) -> tuple[int, str | None]:
        order = {"topic": "Why do cats purr?", "kind": "script"}
        answer = await api.post("/v1/create", json=order, headers={"Idempotency-Key": key})
        return answer.status_code, answer.json().get("code")

    off = await office.patch("/v1/admin/providers/offline/models/extract-1", json={"enabled": False})
    assert (off.status_code, off.json()["enabled"], off.json()["in_use"]) == (200, False, True)
    told = (await api.get("/v1/providers/status")).json()["models"]
    assert [each["status"] for each in told if each["model"] == "extract-1"] == ["off"]
    assert await ordered("off") == (503, "provider.off")
    assert (await api.get("/v1/limits")).json()["policies"][0]["used"] == 0
    assert (await office.patch("/v1/admin/providers/offline/models/extract-1", json={"enabled": True})).json()[
        "enabled"
    ]
    assert (await ordered("on"))[0] == 202
    whole = await office.patch("/v1/admin/providers/offline", json={"enabled": False})
    assert (whole.json()["name"], whole.json()["enabled"]) == ("offline", False)
    done = (await office.get("/v1/admin/actions")).json()["actions"]
    assert [(each["action"], each["target"], each["facts"]) for each in done] == [
        ("provider.switched", "offline:*", {"enabled": False}),
        ("provider.switched", "offline:extract-1", {"enabled": True}),
        ("provider.switched", "offline:extract-1", {"enabled": False}),
    ]
    for place in ("nobody", "nobody/models/nothing", "offline/models/nothing"):
        assert (await office.patch(f"/v1/admin/providers/{place}", json={"enabled": True})).status_code == 404
