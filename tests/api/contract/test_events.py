"""The contract tells of every webhook that we send, and of no other."""

from reelwright.api.contract_events import described
from reelwright.notices import EVENTS
from tests.api.snapshot import present


def test_every_event_is_told_of_with_its_data() -> None:
    assert sorted(present()["webhooks"]) == list(EVENTS)
    for name, item in described().items():
        body = item["post"]["requestBody"]["content"]["application/json"]["schema"]
        assert body["properties"]["type"] == {"const": name}
        assert body["properties"]["data"]["properties"]
