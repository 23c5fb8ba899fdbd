"""How long to wait: durations as QStash writes them, its back-off, a publisher's expression, a receiver's wish."""

import ast
import math
import re
import time
from collections.abc import Mapping
from contextlib import suppress
from email.utils import parsedate_to_datetime
from functools import lru_cache

_UNITS_S = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_PART = re.compile(r"(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h|d)")
_DAY_S = 86_400.0
_WISHES = ("retry-after", "x-ratelimit-reset", "x-ratelimit-reset-requests", "x-ratelimit-reset-tokens")
_MATH = {name: getattr(math, name) for name in ("pow", "sqrt", "exp", "floor", "ceil")}
_FUNCTIONS = {**_MATH, "abs": abs, "round": round, "min": min, "max": max}
_SIGNS = (ast.Add, ast.Sub, ast.Mult, ast.Div, ast.Mod, ast.UAdd, ast.USub)
_ARITHMETIC = (ast.Expression, ast.BinOp, ast.UnaryOp, ast.Call, ast.Name, ast.Load, ast.Constant, *_SIGNS)


@lru_cache
def duration_s(text: str) -> float:
    """Return the seconds of "1d10h30m" or "250ms". Raises ValueError."""
    parts = _PART.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise ValueError(f"invalid duration: {text!r}")
    return sum(float(number) * _UNITS_S[unit] for number, unit in parts)


def backoff_s(retry: int) -> float:
    """Return the wait before the n-th retry (1, 2, …): e^(2.5 n) seconds, a day at most (QStash, "Retry")."""
    return min(_DAY_S, math.exp(2.5 * retry))


def wished_s(headers: Mapping[str, str]) -> float | None:
    """Return the wait a failed answer asks for, or None where it asks for none, for nonsense or for over a day."""
    text, wait_s = next((headers[name].strip() for name in _WISHES if name in headers), ""), math.inf
    with suppress(ValueError):
        wait_s = max(0.0, parsedate_to_datetime(text).timestamp() - time.time())
    with suppress(ValueError):
        wait_s = float(text) if text.isascii() and text.isdigit() else duration_s(text)
    return wait_s if wait_s <= _DAY_S else None


@lru_cache
def expression_s(text: str, *, retried: int) -> float:
    """Work out a Retry-Delay: arithmetic in `retried`, giving milliseconds; a day at most. Raises ValueError."""
    names = {"__builtins__": {}, "retried": float(retried), **_FUNCTIONS}
    try:
        tree = ast.parse(text, mode="eval")
        if len(text) > 200 or not all(isinstance(node, _ARITHMETIC) for node in ast.walk(tree)):  # noqa: PLR2004 - long
            raise ValueError("a retry delay is short, and holds numbers, `retried`, + - * / % and QStash's functions")
        value = float(eval(compile(tree, "retry delay", "eval"), names))  # noqa: S307 - arithmetic only, seen to above
    except (SyntaxError, NameError, TypeError, ArithmeticError, RecursionError, MemoryError) as error:
        raise ValueError(f"invalid retry delay expression: {text!r}") from error
    return 0.0 if math.isnan(value) or value < 0 else min(_DAY_S, value / 1000)
