"""The fields of log lines: docs/operations.md lists all that the code can emit, and no other."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import cloudquery_s3

ROOT = Path(__file__).parents[2]
SOURCES = sorted(Path(cloudquery_s3.__file__).parent.rglob("*.py"))
LEVELS = {"debug", "info", "warning", "error", "exception", "log"}
EVERY_LINE = {"level", "message", "time", "trace", "sync_id", "peer", "table", "sources"}
"""What `server/logs.py` adds by itself: tests/unit/server/test_logs.py shows each of them."""


class Module:
    """One module's calls of its logger, and what their fields are called.

    A field's name has to be seen in the module: in a dict's display, in a variable or attribute that such a dict is
    assigned to, or in what a method of the class returns.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._tree = ast.parse(path.read_text(encoding="utf-8"))
        self._parents = {child: node for node in ast.walk(self._tree) for child in ast.iter_child_nodes(node)}

    def fields(self) -> set[str]:
        """Return the names of all fields that calls of `log` give by `extra`."""
        found = set()
        for node in ast.walk(self._tree):
            if isinstance(node, ast.Call) and self._logs(node.func):
                for keyword in node.keywords:
                    if keyword.arg == "extra":
                        found |= self._names(keyword.value)
        return found

    @staticmethod
    def _logs(called: ast.expr) -> bool:
        return (
            isinstance(called, ast.Attribute)
            and called.attr in LEVELS
            and isinstance(called.value, ast.Name)
            and called.value.id == "log"
        )

    def _names(self, value: ast.expr) -> set[str]:
        match value:
            case ast.Dict():
                pairs = zip(value.keys, value.values, strict=True)
                return set().union(*({self._text(key)} if key is not None else self._names(of) for key, of in pairs))
            case ast.BinOp(op=ast.BitOr()):
                return self._names(value.left) | self._names(value.right)
            case ast.Name():
                return self._assigned(value, self._around(value, ast.FunctionDef, ast.AsyncFunctionDef))
            case ast.Attribute(value=ast.Name(id="self")):
                return self._assigned(value, self._around(value, ast.ClassDef))
            case ast.Call(func=ast.Attribute(value=ast.Name(id="self"), attr=method)):
                return self._returned(method, self._around(value, ast.ClassDef))
        raise AssertionError(f"{self._path}:{value.lineno}: the names of these fields cannot be read: write a dict")

    def _text(self, key: ast.expr) -> str:
        assert isinstance(key, ast.Constant), f"{self._path}:{key.lineno}: a field's name must be a literal"
        return str(key.value)

    def _around(self, node: ast.AST, *kinds: type[ast.AST]) -> ast.AST:
        while not isinstance(node, kinds):
            node = self._parents[node]
        return node

    def _assigned(self, target: ast.expr, within: ast.AST) -> set[str]:
        name = ast.unparse(target)
        values = []
        for node in ast.walk(within):
            targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
            if isinstance(node, ast.Assign | ast.AugAssign | ast.AnnAssign) and node.value is not None:
                values += [node.value for one in targets if one is not None and ast.unparse(one) == name]
        assert values, f"{self._path}:{target.lineno}: nothing is assigned to {name}"
        return set().union(*map(self._names, values))

    def _returned(self, method: str, within: ast.AST) -> set[str]:
        methods = [node for node in ast.walk(within) if isinstance(node, ast.FunctionDef) and node.name == method]
        returned = [node.value for node in ast.walk(methods[0]) if isinstance(node, ast.Return) and node.value]
        return set().union(*map(self._names, returned))


def emitted() -> set[str]:
    """Return every field that a line can have."""
    return set().union(EVERY_LINE, *(Module(path).fields() for path in SOURCES))


def documented() -> set[str]:
    """Return the first column of the page's table of fields."""
    page = (ROOT / "docs/operations.md").read_text(encoding="utf-8")
    section = page.partition("### Fields\n")[2].partition("\n## ")[0]
    rows = [line for line in section.splitlines() if line.startswith("| `")]
    return {name for row in rows for name in re.findall(r"`([^`]+)`", row.split("|")[1])}


def test_the_page_lists_all_fields() -> None:
    """docs/operations.md names each field that a line can have, and none that no line has."""
    assert documented() == emitted()


def test_names_are_found(tmp_path: Path) -> None:
    """The comparison sees fields in a dict, a variable, an attribute, a method, or several of them."""
    module = tmp_path / "module.py"
    module.write_text(
        """
class C:
    def __init__(self):
        self._where = {"of_attribute": 1}

    def totals(self):
        return {"of_method": 1}

    def say(self):
        more = {"of_variable": 1}
        more |= {"added": 1}
        log.info("m", extra={**more, **self._where, **self.totals(), "literal": 1})
        log.warning("m", extra=more | {"joined": 1})
        other.info("m", extra={"not_ours": 1})
"""
    )
    assert Module(module).fields() == {"of_attribute", "of_method", "of_variable", "added", "literal", "joined"}
