"""Every code that the program's sources name, the kinds it is raised as, and what it tells: for what explains them."""

import ast
import functools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TypeGuard

ROOT = Path(__file__).resolve().parents[3]
OURS = ("src/reelwright", "worker")
SETTINGS, LIMITED = "settings.refused", "limited"
ELSEWHERE = (
    *("cli/", "dev/", "settings.py", "wiring.py", "failpoints.py", "notices/post.py"),
    *("journeys/publishing.py", "providers/youtube_upload.py", "providers/youtube_access.py"),
)
"""Doors and roofs without HTTP: their codes end in a terminal or in a log."""


def _sources(words: str = "code|extra") -> Iterator[ast.Module]:
    """Yield the program's files that have one of the words, except those whose codes never leave by HTTP."""
    for folder in OURS:
        for file in sorted((ROOT / folder).rglob("*.py")):
            inside = str(file.relative_to(ROOT / folder))
            text = file.read_text()
            if re.search(words, text) and not inside.startswith(ELSEWHERE) and not inside.endswith(ELSEWHERE):
                yield ast.parse(text)


@functools.cache
def kinds_by_code() -> dict[str, set[str]]:
    """Return what each code is raised as: kinds of refusals, or outage; empty where its class isn't told there."""
    trees = [*_sources()]
    constants = {
        _name(node.targets[0]): node.value.value
        for tree in trees
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
    }
    families: dict[str, str] = {"Refusal": "invalid", "Outage": "outage", "NotFound": "not_found", "Exception": ""}
    classes = [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    found: dict[str, set[str]] = {}
    for _ in range(4):  # a class may stand before its parent
        for node in classes:
            parent = next((families[base] for base in map(_name, node.bases) if families.get(base)), None)
            if parent:
                families[node.name] = _assigned(node, "kind") or parent
    for node in classes:
        if node.name in families and (code := _assigned(node, "code")):
            found.setdefault(code, set()).add(families[node.name])
    for tree in trees:
        for node in ast.walk(tree):
            if not isinstance(node, ast.Call):
                continue
            code = _keyword(node, "code") or ""
            code = constants.get(code.upper(), code)
            if "." in code:
                kind = _keyword(node, "kind") if _name(node.func) in families else None
                kind = kind or families.get(_name(node.func), "")
                found.setdefault(code, set()).update({kind} - {""})
    found.pop(SETTINGS, None)
    return found


def facts_told() -> set[str]:
    """Return the names of what refusals tell besides: the keys of every `extra`."""
    told = [node.value for tree in _sources("extra") for node in ast.walk(tree) if _is_extra(node)]
    return {
        str(key.value) for one in told if isinstance(one, ast.Dict) for key in one.keys if isinstance(key, ast.Constant)
    }


def limited_without_a_wait() -> set[str]:
    """Return where the sources refuse by a limit and don't say how long to wait: the name of what is called."""
    nodes = [node for tree in _sources() for node in ast.walk(tree)]
    raised = [node for node in nodes if isinstance(node, ast.Call)]
    found = {"kind=": [call for call in raised if _keyword(call, "kind") == LIMITED]}
    for node in nodes:
        if isinstance(node, ast.ClassDef) and _assigned(node, "kind") == LIMITED:
            own = [one for one in ast.walk(node) if isinstance(one, ast.Call) and _name(one.func) == "__init__"]
            found[node.name] = own or [call for call in raised if _name(call.func) == node.name]
            assert found[node.name], node.name
    return {name for name, calls in found.items() for call in calls if not any(a.arg == "wait" for a in call.keywords)}


def _is_extra(node: ast.AST) -> TypeGuard[ast.keyword | ast.Assign]:
    if isinstance(node, ast.Assign):
        return _name(node.targets[0]) == "extra"
    return isinstance(node, ast.keyword) and node.arg == "extra"


def _name(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def _assigned(node: ast.ClassDef, name: str) -> str | None:
    for each in node.body:
        targets = (
            each.targets if isinstance(each, ast.Assign) else [each.target] if isinstance(each, ast.AnnAssign) else []
        )
        if any(_name(target) == name for target in targets) and each.value is not None:
            return _text(each.value)
    return None


def _keyword(node: ast.Call, name: str) -> str | None:
    return next((_text(one.value) for one in node.keywords if one.arg == name), None)


def _text(node: ast.expr) -> str | None:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    return _name(node).lower() or None
