"""How long deliveries wait: the vectors of QStash's documentation."""

import pytest

from reelwright.dev.delivery.message import Answer, Message, expression_s


def test_the_back_off_is_qstashs() -> None:
    message, answer = Message(url="http://w", body=b"", options={}), Answer(500, {}, b"")
    waits_ms = []
    for message.retried in range(5):
        waits_ms.append(round(message.retry_wait_s(answer) * 1000))
    assert waits_ms == [12182, 148413, 1808042, 22026466, 86400000]


@pytest.mark.parametrize(
    ("text", "retried", "seconds"),
    [
        ("max(1000, pow(2, retried) * 100)", 5, 3.2),
        ("1000 * (1 + retried)", 0, 1.0),
        ("min(pow(3, retried) * 1000, 300000)", 20, 300.0),
        ("-5", 0, 0.0),
        ("pow(10, 300)", 0, 86400.0),
    ],
)
def test_an_expression_gives_milliseconds(text: str, retried: int, seconds: float) -> None:
    assert expression_s(text, retried=retried) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "text",
    [
        "retries",
        "'x'",
        "1 if 2 else 3",
        "exp(10000)",
        "1/0",
        "sqrt(-1)",
        "(" * 190,
        "1" * 190 + "x",
        "9**9**9",
        "9* *9",
    ],
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        expression_s(text, retried=0)
