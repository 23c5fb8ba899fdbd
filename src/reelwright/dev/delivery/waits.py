"""How long to wait: durations as QStash writes them, its back-off, a publisher's expression, a receiver's wish."""

import ast
import math
import operator
import re
import time
from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime
from typing import Any

_UNITS_S = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_PART = re.compile(r"(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h|d)")
_DAY_S = 86_400.0
_LONGEST_EXPRESSION = 200
_WISHES = ("retry-after", "x-ratelimit-reset", "x-ratelimit-reset-requests", "x-ratelimit-reset-tokens")

_BINARY: dict[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Mod: operator.mod,
}
_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "pow": math.pow,
    "sqrt": math.sqrt,
    "abs": abs,
    "exp": math.exp,
    "floor": math.floor,
    "ceil": math.ceil,
    "round": round,
    "min": min,
    "max": max,
}


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
    for name in _WISHES:
        if name in headers:
            wait = _instant_or_duration_s(headers[name].strip())
            return wait if wait is not None and 0 <= wait <= _DAY_S else None
    return None


def expression_s(text: str, *, retried: int) -> float:
    """Work out a Retry-Delay: arithmetic in `retried`, giving milliseconds; a day at most. Raises ValueError."""
    if len(text) > _LONGEST_EXPRESSION:
        raise ValueError("the retry delay expression is too long")
    try:
        value = _value(ast.parse(text, mode="eval").body, retried)
    except (SyntaxError, TypeError, ArithmeticError, RecursionError) as error:
        raise ValueError(f"invalid retry delay expression: {text!r}") from error
    return 0.0 if math.isnan(value) or value < 0 else min(_DAY_S, value / 1000)


def _value(node: ast.expr, retried: int) -> float:
    match node:
        case ast.Constant(value=int() | float() as number) if not isinstance(number, bool):
            return float(number)
        case ast.Name(id="retried"):
            return float(retried)
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_value(operand, retried)
        case ast.UnaryOp(op=ast.UAdd(), operand=operand):
            return _value(operand, retried)
        case ast.BinOp(left=left, op=sign, right=right) if type(sign) in _BINARY:
            return _BINARY[type(sign)](_value(left, retried), _value(right, retried))
        case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]) if name in _FUNCTIONS:
            return float(_FUNCTIONS[name](*(_value(argument, retried) for argument in arguments)))
        case _:
            raise ValueError("a retry delay expression holds numbers, `retried`, + - * / % and QStash's functions")


def _instant_or_duration_s(text: str) -> float | None:
    try:
        return float(text) if text.isascii() and text.isdigit() else duration_s(text)
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - time.time())
    except ValueError:
        return None
