"""The local delivery server, driven by the unmodified qstash SDK against a real listener."""

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from qstash import Receiver
from qstash.errors import QStashError

from reelwright.dev.child import free_port
from reelwright.ground import qstash as ground_qstash
from tests.dev.local_queue import Post, Worker
from tests.waiting import wait_until


async def test_a_message_arrives_whole_and_signed_for_the_official_receiver(post: Post, worker: Worker) -> None:
    url = f"{worker.base_url}/worker//generate?x=1&y=%C3%BC"
    sent = await post.client.message.publish_json(url=url, body={"scene": 3, "é": "ü"}, headers={"X-Run": "7"})
    await wait_until(lambda: worker.seen)

    [came] = worker.seen
    assert came["path"] == "/worker//generate?x=1&y=%C3%BC"
    assert json.loads(came["body"]) == {"scene": 3, "é": "ü"}
    assert (came["method"], came["headers"]["content-type"]) == ("POST", "application/json")
    assert (came["headers"]["x-run"], came["headers"]["upstash-retried"]) == ("7", "0")
    assert came["headers"]["upstash-message-id"] == sent.message_id
    signature = came["headers"]["upstash-signature"]
    Receiver(post.keys.current, post.keys.next).verify(signature=signature, body=came["body"].decode(), url=url)
    assert ground_qstash.verified(signature=signature, body=came["body"], url=url, keys=[post.keys.current])
    assert not ground_qstash.verified(signature=signature, body=came["body"] + b" ", url=url, keys=[post.keys.current])


@pytest.mark.parametrize("path", ["/pause", "/v2/publish/x", "/w?x=//y", "/a%2Fb", "/%20//"])
async def test_a_destination_is_taken_as_it_stands(post: Post, worker: Worker, path: str) -> None:
    await post.client.message.publish(url=worker.base_url + path, body="x")
    await wait_until(lambda: worker.seen)
    assert worker.seen[0]["path"] == path


async def test_a_rotated_key_signs_what_the_next_key_verifies(post: Post, worker: Worker) -> None:
    before = await post.client.signing_key.get()
    after = await post.client.signing_key.rotate()
    assert after.current == before.next

    await post.client.message.publish(url=worker.base_url + "/w", body="x")
    await wait_until(lambda: worker.seen)

    signature = worker.seen[0]["headers"]["upstash-signature"]
    Receiver(before.current, before.next).verify(signature=signature, body="x", url=worker.base_url + "/w")


async def test_a_deduplication_id_is_delivered_once(post: Post, worker: Worker) -> None:
    first = await post.client.message.publish(url=worker.base_url + "/w", body="1", deduplication_id="run-1")
    again = await post.client.message.publish(url=worker.base_url + "/w", body="1", deduplication_id="run-1")
    await post.client.message.publish(url=worker.base_url + "/w", body="2", deduplication_id="run-2")
    await wait_until(post.idle)

    assert (again.message_id, again.deduplicated) == (first.message_id, True)
    assert sorted(came["body"] for came in worker.seen) == [b"1", b"2"]
    with pytest.raises(QStashError, match="cannot contain ':'"):
        await post.client.message.publish(url=worker.base_url + "/w", deduplication_id="run:1")


async def test_a_failed_delivery_is_tried_again_until_it_succeeds(post: Post, worker: Worker) -> None:
    worker.answers = [(500, {}), (302, {"location": "/elsewhere"})]
    await post.client.message.publish(url=worker.base_url + "/w", body="x", retries=3, retry_delay="10 * (retried + 1)")
    await wait_until(lambda: len(worker.seen) == 3)

    assert [came["headers"]["upstash-retried"] for came in worker.seen] == ["0", "1", "2"]
    assert {came["path"] for came in worker.seen} == {"/w"}
    await wait_until(post.idle)


async def test_retries_end(post: Post, worker: Worker) -> None:
    worker.answers = [(500, {})] * 5
    sent = await post.client.message.publish(url=worker.base_url + "/w", body="x", retries=1, retry_delay="1")
    await wait_until(post.idle)

    assert len(worker.seen) == 2
    assert post.state_of(sent.message_id) == "failed"


async def test_the_receivers_wish_wins_over_the_publishers(post: Post, worker: Worker) -> None:
    worker.answers = [(503, {"retry-after": "0"})]
    await post.client.message.publish(url=worker.base_url + "/w", body="x", retries=1, retry_delay="3600000")
    await wait_until(lambda: len(worker.seen) == 2, timeout=3)
    assert worker.seen[1]["headers"]["upstash-retried"] == "1"


@pytest.mark.parametrize(("header", "deliveries"), [({"Upstash-NonRetryable-Error": "true"}, 1), ({}, 2)])
async def test_489_is_final_only_with_its_header(post: Post, worker: Worker, header: dict, deliveries: int) -> None:
    worker.answers = [(489, header)]
    await post.client.message.publish(url=worker.base_url + "/w", body="x", retries=2, retry_delay="1")
    await wait_until(post.idle)
    assert len(worker.seen) == deliveries


async def test_nobody_there_is_a_failed_attempt(post: Post, worker: Worker) -> None:
    """A worker that restarts is found again."""
    post.engine._allow += (f"http://127.0.0.1:{(port := free_port())}",)
    sent = await post.client.message.publish(url=f"http://127.0.0.1:{port}/w", body="x", retry_delay="1", retries=5)
    message = post.engine.messages[sent.message_id]
    await wait_until(lambda: message.retried >= 1)
    await wait_until(post.idle)
    assert message.state == "failed"


async def test_a_slow_worker_is_given_up_at_the_timeout(post: Post, worker: Worker) -> None:
    worker.gate.clear()
    sent = await post.client.message.publish(url=worker.base_url + "/w", body="x", retries=0, timeout="50ms")
    await wait_until(post.idle)
    assert post.state_of(sent.message_id) == "failed"
    worker.gate.set()


async def test_a_delayed_message_waits_and_can_be_cancelled(post: Post, worker: Worker) -> None:
    sent = await post.client.message.publish(url=worker.base_url + "/w", body="later", delay="1h")
    shown = await post.client.message.get(sent.message_id)
    assert 3_590_000 < shown.not_before - shown.created_at <= 3_600_000
    assert (shown.url, shown.body, shown.max_retries) == (worker.base_url + "/w", "later", 3)

    await post.client.message.cancel(sent.message_id)
    await wait_until(post.idle)
    assert post.state_of(sent.message_id) == "cancelled"
    await post.client.message.publish(url=worker.base_url + "/w", body="soon", delay="20ms")
    await wait_until(lambda: worker.seen)
    assert [came["body"] for came in worker.seen] == [b"soon"]


async def test_a_batch_answers_in_order(post: Post, worker: Worker) -> None:
    made = await post.client.message.batch_json(
        [{"url": f"{worker.base_url}/w", "body": {"n": n}, "deduplication_id": f"b-{n}"} for n in (1, 2, 1)]
    )
    await wait_until(post.idle)
    assert made[0].message_id == made[2].message_id != made[1].message_id
    assert sorted(came["body"] for came in worker.seen) == [b'{"n": 1}', b'{"n": 2}']


async def test_deliveries_run_side_by_side_up_to_the_cap(post: Post, worker: Worker) -> None:
    worker.gate.clear()
    for _ in range(9):
        await post.client.message.publish(url=worker.base_url + "/w", body="x")
    await wait_until(lambda: worker.under_way == 4)
    worker.gate.set()
    await wait_until(lambda: len(worker.seen) == 9)
    assert worker.most_under_way == 4


def _outside(base_url: str) -> list[str]:
    return ["http://example.com/w", base_url + "0/w", base_url.replace("//", "//a@") + "/w", base_url + "@b/w"]


@pytest.mark.parametrize("number", range(4))
async def test_destinations_outside_the_allow_list_are_refused(post: Post, worker: Worker, number: int) -> None:
    with pytest.raises(QStashError, match="allow-list"):
        await post.client.message.publish(url=_outside(worker.base_url)[number], body="x")
    assert post.idle()


BAD: list[tuple[Callable[[str], dict[str, Any]], int]] = [
    (lambda _: {"url": "ftp://x/y"}, 400),
    (lambda base: {"url": base, "delay": "soon"}, 400),
    (lambda base: {"url": base, "retries": 6}, 412),
    (lambda base: {"url": base, "retry_delay": "__import__('os')"}, 400),
    (lambda base: {"url": base, "retry_delay": "9**9**9"}, 400),
]


@pytest.mark.parametrize(("options", "status"), BAD)
async def test_a_bad_publish_is_refused(post: Post, worker: Worker, options: Callable, status: int) -> None:
    with pytest.raises(QStashError, match=f"status: {status}"):
        await post.client.message.publish(body="x", **options(worker.base_url + "/w"))
    assert post.idle()


async def test_only_its_token_opens_it(post: Post, worker: Worker) -> None:
    async with httpx.AsyncClient() as client:
        refused = await client.post(
            f"{post.base_url}/v2/publish/{worker.base_url}/w", headers={"Authorization": "Bearer no"}
        )
        huge = await client.post(
            f"{post.base_url}/v2/publish/{worker.base_url}/w",
            content=b"x" * 11_000_000,
            headers={"Authorization": f"Bearer {post.keys.token}"},
        )
    assert (refused.status_code, huge.status_code) == (401, 413)
    assert not worker.seen
