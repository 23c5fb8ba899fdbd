"""What the local delivery server keeps: schedules, dead letters, callbacks, deduplication; and its faults."""

import asyncio
import base64
import json
import time
from datetime import UTC, datetime

import pytest
from qstash import QStash
from qstash.errors import QStashError

from reelwright.dev.delivery import Faults
from reelwright.dev.delivery.message import Message, Refused, next_tick
from tests.dev.local_queue import Post, Worker
from tests.waiting import wait_until

FINAL = (489, {"Upstash-NonRetryable-Error": "true", "X-Why": "broken"})


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every schedule tick each 30 ms."""
    ticking = lambda cron, *, after: schedule_next(cron, after=after) and after + 0.03  # noqa: E731
    schedule_next = next_tick
    monkeypatch.setattr("reelwright.dev.delivery.message.next_tick", ticking)
    monkeypatch.setattr("reelwright.dev.delivery.engine.next_tick", ticking)


@pytest.mark.parametrize(
    ("cron", "then"),
    [
        ("*/5 * * * *", "2026-03-08T20:05"),
        ("0 4 * * 1", "2026-03-09T04:00"),
        ("0 4 * * mon", "2026-03-09T04:00"),
        ("CRON_TZ=America/New_York 0 4 * * *", "2026-03-09T08:00"),  # summer time began that morning
    ],
)
def test_a_cron_expression_names_instants(cron: str, then: str) -> None:
    """The vectors of QStash's own client tests."""
    after = datetime(2026, 3, 8, 20, tzinfo=UTC).timestamp()
    assert datetime.fromtimestamp(next_tick(cron, after=after), UTC).isoformat()[:16] == then


@pytest.mark.parametrize(
    "cron", ["", "* * * *", "* * * * * *", "61 * * * *", "CRON_TZ=Mars/X 0 4 * * *", "CRON_TZ=", "0 0 30 2 *"]
)
def test_another_cron_expression_is_refused(cron: str) -> None:
    with pytest.raises(Refused) as refusal:
        next_tick(cron, after=time.time())
    assert refusal.value.status == 400


async def test_a_schedule_publishes_until_it_is_deleted(post: Post, worker: Worker, soon: None) -> None:
    api, url = post.client.schedule, f"{worker.base_url}/tick?x=%20"
    name = await api.create_json(destination=url, cron="* * * * *", body={"n": 1}, retries=1, headers={"X-A": "b"})
    await wait_until(lambda: len(worker.seen) >= 3)
    came = worker.seen[0]
    assert (came["path"], came["body"]) == ("/tick?x=%20", b'{"n": 1}')
    assert (came["headers"]["x-a"], came["headers"]["upstash-schedule-id"]) == ("b", name)
    assert len({each["headers"]["upstash-message-id"] for each in worker.seen}) == len(worker.seen)
    [shown] = await api.list()
    assert (shown.schedule_id, shown.destination, shown.cron, shown.retries) == (name, url, "* * * * *", 1)

    await api.delete(name)
    assert await api.list() == []
    await wait_until(post.idle)
    before = len(worker.seen)
    again = await api.create(destination=f"{worker.base_url}/other", cron="* * * * *")
    await wait_until(lambda: [came["path"] for came in worker.seen[before:]].count("/other") >= 3)
    assert {came["path"] for came in worker.seen[before:]} == {"/other"}
    with pytest.raises(QStashError, match="404"):
        await api.delete(name)
    await api.delete(again)


async def test_a_schedule_of_the_same_id_takes_the_earlier_ones_place(post: Post, worker: Worker) -> None:
    api, url = post.client.schedule, worker.base_url
    assert await api.create(destination=f"{url}/a", cron="0 4 * * *", schedule_id="nightly") == "nightly"
    await api.create(destination=f"{url}/b", cron="CRON_TZ=Europe/Rome 0 5 * * *", schedule_id="nightly")
    [second] = await api.list()
    assert (second.schedule_id, second.destination) == ("nightly", f"{url}/b")
    assert second.next_schedule_time is not None
    assert second.next_schedule_time > time.time() * 1000
    with pytest.raises(QStashError, match="allow-list"):
        await api.create(destination="http://example.com/", cron="* * * * *")
    with pytest.raises(QStashError, match="invalid cron"):
        await api.create(destination=url, cron="soon")


async def test_a_replaced_schedule_ticks_no_more(post: Post, worker: Worker, soon: None) -> None:
    for path in ("/a", "/b"):
        await post.client.schedule.create(destination=worker.base_url + path, cron="* * * * *", schedule_id="one")
    await wait_until(post.idle)
    worker.seen.clear()
    await wait_until(lambda: len(worker.seen) >= 4)
    assert {came["path"] for came in worker.seen} == {"/b"}


async def test_a_failed_message_is_a_dead_letter_that_the_failure_callback_tells_of(post: Post, worker: Worker) -> None:
    worker.answers = [(500, {}), FINAL]
    sent = await post.client.message.publish_json(
        url=f"{worker.base_url}/w",
        body={"run": 1},
        retries=3,
        retry_delay="1",
        failure_callback=f"{worker.base_url}/failed",
    )
    await wait_until(lambda: len(worker.seen) == 3)
    [dead] = (await post.client.dlq.list()).messages
    assert (dead.message_id, dead.url, dead.body) == (sent.message_id, sent_url(worker), '{"run": 1}')
    assert (dead.response_status, dead.response_headers["X-Why"]) == (489, ["broken"])
    assert dead.response_body == "said \ufffd"

    told = json.loads(worker.seen[2]["body"])
    assert worker.seen[2]["path"] == "/failed"
    assert base64.b64decode(told["sourceBody"]) == b'{"run": 1}'
    assert base64.b64decode(told["body"]) == b"said \xff"
    assert {
        name: told[name] for name in ("status", "retried", "maxRetries", "sourceMessageId", "dlqId", "url", "method")
    } == {
        "status": 489,
        "retried": 1,
        "maxRetries": 3,
        "sourceMessageId": sent.message_id,
        "dlqId": dead.dlq_id,
        "url": f"{worker.base_url}/w",
        "method": "POST",
    }


def sent_url(worker: Worker) -> str:
    return f"{worker.base_url}/w"


async def test_a_dead_letter_is_tried_again_under_a_new_id_whatever_its_deduplication(
    post: Post, worker: Worker
) -> None:
    """A burnt deduplication id is what swallows redrives by hand; the queue's own retry is not one of them."""
    worker.answers = [FINAL] * 2
    publish, url = post.client.message.publish, sent_url(worker)
    sent = [await publish(url=url, body=f"{n}", deduplication_id=f"run-{n}", delay="10ms") for n in (1, 2)]
    await wait_until(lambda: len(post.engine.dead) == 2)
    assert (await publish(url=url, body="1", deduplication_id="run-1")).deduplicated

    first, second = (await post.client.dlq.list()).messages
    one = await post.ask("POST", f"/v2/dlq/retry/{first.dlq_id}")
    two = await post.ask("POST", f"/v2/dlq/retry/{second.dlq_id}")
    await wait_until(lambda: len(worker.seen) == 4 and post.idle())
    assert sorted(worker.bodies()[2:]) == [b"1", b"2"]
    assert not {one["messageId"], two["messageId"]} & {each.message_id for each in sent}
    assert (await post.client.dlq.list()).messages == []


async def test_a_deduplication_id_is_free_again_after_ten_minutes(
    post: Post, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reelwright.dev.delivery.engine._DEDUPLICATION_S", 0.05)
    monkeypatch.setattr("reelwright.dev.delivery.engine._REMEMBER_ENDED_S", 0.05)
    first = await post.client.message.publish(url=sent_url(worker), deduplication_id="a")
    await wait_until(lambda: not post.engine.messages, message="what has ended is forgotten")
    await wait_until(lambda: not post.engine._taken_ids)
    again = await post.client.message.publish(url=sent_url(worker), deduplication_id="a")
    assert again.message_id != first.message_id
    with pytest.raises(QStashError, match="404"):
        await post.client.message.get(first.message_id)


async def test_the_synchronous_sdk_is_served_too(post: Post, worker: Worker) -> None:
    def use() -> tuple[str, None]:
        client = QStash(post.keys.token, base_url=post.base_url, retry=False)
        sent = client.message.publish_json(url=sent_url(worker), body={"n": 1}, delay="1h")
        name = client.schedule.create(destination=sent_url(worker), cron="0 4 * * *")
        client.schedule.delete(name)
        found = client.message.get(sent.message_id).url, client.message.cancel(sent.message_id)
        client.http._client.close()
        return found

    assert await asyncio.to_thread(use) == (sent_url(worker), None)
    assert post.idle()


async def test_ten_thousand_waiting_messages_need_no_task_each(post: Post, worker: Worker) -> None:
    before = len(asyncio.all_tasks())
    for number in range(10_000):
        post.engine.publish(Message(url=sent_url(worker), body=b"%d" % number, options={"upstash-delay": "1h"}))
    await asyncio.sleep(0)
    assert len(asyncio.all_tasks()) <= before + 1
    assert await post.client.message.cancel_all() == 10_000
    assert post.idle()


async def _set(post: Post, **faults: object) -> None:
    assert faults.items() <= (await post.ask("PUT", "/v2/local/faults", json.dumps(faults))).items()


async def test_stopped_it_accepts_and_delivers_when_it_goes_on(post: Post, worker: Worker) -> None:
    await _set(post, stopped=True)
    for number in range(6):
        await post.client.message.publish(url=sent_url(worker), body=f"{number}")
    await wait_until(lambda: post.engine._due.qsize() == 2, message="each of the four deliverers holds one back")
    assert worker.seen == []
    assert await post.client.message.cancel(post.waiting()[0].id) is None
    await _set(post, stopped=False)
    await wait_until(lambda: len(worker.seen) == 5 and post.idle())


async def test_faults_drop_duplicate_and_lose_replies(post: Post, worker: Worker) -> None:
    await _set(post, drop=1.0)
    await post.client.message.publish(url=sent_url(worker), body="dropped")
    await _set(post, duplicate=2)
    await post.client.message.publish(url=sent_url(worker), body="thrice", failure_callback=f"{worker.base_url}/failed")
    await wait_until(lambda: len(worker.seen) == 3)
    assert worker.bodies() == [b"thrice"] * 3
    assert len({came["headers"]["upstash-message-id"] for came in worker.seen}) == 1
    await _set(post, lose_reply=1.0)
    await post.client.message.publish(url=sent_url(worker), body="unheard", retries=1, retry_delay="1")
    await wait_until(lambda: len(post.engine.dead) == 1)
    assert worker.bodies()[3:] == [b"unheard"] * 2
    [(_, dead)] = post.engine.dead.values()
    assert dead["responseStatus"] == 0


async def test_a_duplicates_answer_counts_for_nothing(post: Post, worker: Worker) -> None:
    await _set(post, duplicate=2)
    worker.answers = [(500, {})] * 3
    await post.client.message.publish(url=sent_url(worker), body="x", retries=0)
    await wait_until(lambda: len(worker.seen) == 3 and post.idle())
    await wait_until(post.engine._due.empty)
    assert len(post.engine.dead) == 1


async def test_faults_delay_and_reorder_by_seed(post: Post, worker: Worker) -> None:
    orders = []
    for seed in (1, 1, 2):
        await _set(post, stopped=True, reorder=0.0, seed=0)
        worker.seen.clear()
        for number in range(12):
            post.engine.publish(Message(url=sent_url(worker), body=b"%d" % number, options={}))
        await _set(post, reorder=0.5, seed=seed)
        await wait_until(lambda: len(worker.seen) == 12 and post.idle())
        orders.append(worker.bodies())
    assert all(sorted(order) == sorted(orders[0]) for order in orders)
    assert orders[0] != sorted(orders[0], key=int)
    await _set(post, delay_ms=60_000, seed=3)
    sent = post.engine.publish(Message(url=sent_url(worker), body=b"late", options={}))[0]
    assert post.engine._due.empty()
    assert post.state_of(sent) == "waiting"


@pytest.mark.parametrize("faults", ['{"drop": 1.5}', '{"dorp": 1}', '{"duplicate": -1}', "[]", "{"])
async def test_nonsense_faults_are_refused(post: Post, worker: Worker, faults: str) -> None:
    with pytest.raises(QStashError, match="400"):
        await post.ask("PUT", "/v2/local/faults", faults)
    assert post.engine.faults == Faults()
