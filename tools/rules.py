"""The shipped source, and the rules about it that ruff and import-linter do not have.

`python -m tools.rules` prints how many statements each folder has.

Layers and cycles of imports are contracts of import-linter, banned modules and calls are in ruff's
TID251: both are in `pyproject.toml`.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BANNED_BUILTINS = frozenset({"eval", "exec", "compile", "__import__", "breakpoint", "input"})


def shipped() -> list[Path]:
    """Every Python file of the pack, relative to the repository."""
    files = [ROOT / "__init__.py", *ROOT.glob("sora_core/**/*.py"), *ROOT.glob("nodes/**/*.py")]
    return sorted(file.relative_to(ROOT) for file in files)


def imports(file: Path, tree: ast.AST) -> Iterator[str]:
    """The absolute dotted name of each import; names of the pack start with a dot."""
    package = file.parts[:-1]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            source = node.module or ""
            if node.level:
                parents = package[: len(package) - node.level + 1]
                source = "." + ".".join([*parents, *filter(None, [source])])
            dot = "" if source in ("", ".") else "."
            yield from (f"{source}{dot}{name.name}" for name in node.names)


def statements(folder: str) -> int:
    """The number of Python statements below a folder of the repository, without docstrings."""
    trees = (ast.parse(path.read_text(encoding="utf-8")) for path in ROOT.glob(f"{folder}/**/*.py"))
    nodes = [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.stmt)]
    return sum(not is_docstring(node) for node in nodes)


def is_docstring(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def findings(file: Path, source: str) -> list[str]:
    """A line for each use of a banned builtin and each handler that catches everything.

    ruff lets a builtin pass that is not called, and a handler of `Exception` that logs or raises.
    """
    found = []
    for node in ast.walk(ast.parse(source, str(file))):
        match node:
            case ast.Name() if node.id in BANNED_BUILTINS:
                found.append(f"{file}:{node.lineno} uses {node.id}")
            case ast.ExceptHandler():
                kinds = node.type.elts if isinstance(node.type, ast.Tuple) else [node.type]
                if any(kind is None or blind(kind) for kind in kinds):
                    found.append(f"{file}:{node.lineno} catches the host's interrupt too")
    return found


def blind(kind: ast.expr) -> bool:
    return ast.unparse(kind) in ("Exception", "BaseException")


if __name__ == "__main__":
    for folder in ("sora_core", "nodes", "tools", "tests"):
        print(f"{folder}: {statements(folder)}")
