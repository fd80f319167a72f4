"""The rules of the shipped source, read from its syntax trees: imports, banned names, handlers."""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

GROUND = {"errors", "shapes", "paths", "files", "released"}
PARTS = {"models", "sampling", "prompts", "video", "world"}  # know nothing of each other
BELOW = GROUND | PARTS | {"canvas", "checkpoints"}
REACHES = {
    **dict.fromkeys(GROUND | PARTS, GROUND),
    "canvas": GROUND | {"models", "video"},
    "checkpoints": GROUND | {"models"},
    "resume": GROUND | {"checkpoints", "sampling"},
    "training": GROUND | {"checkpoints", "models", "sampling", "video", "world"},
    "pipeline": BELOW | {"resume"},
    "measure": BELOW | {"pipeline", "training"},
    "cli": BELOW | {"measure", "pipeline", "training"},
    "__init__": BELOW | {"pipeline"},
    "__main__": GROUND | {"cli"},
}
"""Which parts of sora_core each part may import, beside itself."""

HOST_MODULES = (
    "comfy",
    "folder_paths",
    "latent_preview",
    "comfy_extras",
    "comfy_execution",
    "nodes",
)
HOST_PART = ("nodes", "host")

BANNED = (
    # network
    "socket", "ssl", "http", "urllib", "ftplib", "smtplib", "xmlrpc", "socketserver", "requests",
    "httpx", "aiohttp", "websocket", "websockets", "huggingface_hub", "torch.hub", "server",
    # processes
    "subprocess", "multiprocessing", "concurrent.futures.ProcessPoolExecutor", "pty", "os.system",
    "os.popen", "os.fork", "os.forkpty", "os.execv", "os.execve", "os.execl", "os.execvp",
    "os.spawnv", "os.spawnl", "os.posix_spawn", "os.startfile", "os.kill", "torch.multiprocessing",
    "torch.distributed",
    # environment
    "os.environ", "os.environb", "os.getenv", "os.getenvb", "os.putenv", "os.unsetenv",
    # code from data
    "eval", "exec", "compile", "__import__", "breakpoint", "input", "builtins", "code", "codeop",
    "runpy", "importlib", "imp", "pkgutil", "pickle", "cPickle", "_pickle", "dill", "cloudpickle",
    "joblib", "marshal", "shelve", "torch.load", "torch.save", "torch.jit.load", "torch.package",
    "numpy.load", "ctypes", "cffi", "torch.utils.cpp_extension",
    # archives
    "zipfile", "tarfile", "zipimport", "shutil.unpack_archive",
)  # fmt: skip
MAY_SPAWN = ("sora_core/training/distributed.py", "sora_core/__main__.py")
SPAWNING = ("torch.multiprocessing", "torch.distributed")
MAY_PRINT = ("sora_core/__main__.py",)


def shipped() -> list[Path]:
    """Every Python file of the pack, relative to the repository."""
    files = [ROOT / "__init__.py", *ROOT.glob("sora_core/**/*.py"), *ROOT.glob("nodes/**/*.py")]
    return sorted(file.relative_to(ROOT) for file in files)


def findings(file: Path, source: str) -> list[str]:
    """One line for each rule that `source` breaks if it is the content of `file`."""
    tree = ast.parse(source, str(file))
    checks = (import_findings, banned_findings, handler_findings)
    return [f"{file}:{line}" for check in checks for line in check(file, tree)]


def imports(file: Path, tree: ast.AST) -> Iterator[tuple[int, str, str]]:
    """Line, alias and absolute dotted name of each import; names of the pack start with a dot."""
    package = file.parts[:-1]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for name in node.names:
                yield node.lineno, name.asname or name.name.split(".")[0], name.name
        elif isinstance(node, ast.ImportFrom):
            source = node.module or ""
            if node.level:
                parents = package[: len(package) - node.level + 1]
                source = "." + ".".join([*parents, *filter(None, [source])])
            for name in node.names:
                dot = "" if source in ("", ".") else "."
                yield node.lineno, name.asname or name.name, f"{source}{dot}{name.name}"


def import_findings(file: Path, tree: ast.AST) -> Iterator[str]:
    for line, _, name in imports(file, tree):
        top = name.split(".")[0]
        if top in ("sora_core", "tools", "tests"):
            yield f"{line} imports {name} absolutely: the pack is not on ComfyUI's path"
        if top in HOST_MODULES and file.with_suffix("").parts[:2] != HOST_PART:
            yield f"{line} imports {name}: only {'/'.join(HOST_PART)} may"
        if top == "comfy_api" and file.parts[0] == "sora_core":
            yield f"{line} imports {name}: the core knows nothing of ComfyUI"
        if name.startswith("."):
            yield from own_import_findings(file, line, name[1:].split("."))


def own_import_findings(file: Path, line: int, target: list[str]) -> Iterator[str]:
    if file.parts[0] != "sora_core":
        return
    if target[0] != "sora_core":
        yield f"{line} imports {'.'.join(target)} from the core"
        return
    part = Path(file.parts[1]).stem
    reached = ".".join(target[1:])
    allowed = REACHES.get(part, GROUND) | {part}
    if not any(f"{reached}.".startswith(f"{name}.") for name in allowed):
        yield f"{line} imports {reached} from {part}"


def banned_findings(file: Path, tree: ast.AST) -> Iterator[str]:
    names = {alias: name for _, alias, name in imports(file, tree)}
    names |= {
        node.names[0].name.split(".")[0]: node.names[0].name.split(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import) and node.names[0].asname is None
    }
    used = [(line, name) for line, _, name in imports(file, tree)]
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute | ast.Name):
            used.append((node.lineno, dotted(node, names)))
    spawns = SPAWNING if file.as_posix() in MAY_SPAWN else ()
    for line, name in sorted(set(used)):
        for banned in BANNED:
            if f"{name}.".startswith(f"{banned}.") and banned not in spawns:
                yield f"{line} uses {name}"
        if name == "print" and file.as_posix() not in MAY_PRINT:
            yield f"{line} prints"


def dotted(node: ast.expr, names: dict[str, str]) -> str:
    """The absolute dotted name of an expression; empty if it is not a name."""
    if isinstance(node, ast.Name):
        return names.get(node.id, node.id)
    if isinstance(node, ast.Attribute) and (base := dotted(node.value, names)):
        return f"{base}.{node.attr}"
    return ""


def handler_findings(_: Path, tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ExceptHandler):
            kinds = node.type.elts if isinstance(node.type, ast.Tuple) else [node.type]
            for kind in kinds:
                if kind is None or dotted(kind, {}) in ("Exception", "BaseException"):
                    yield f"{node.lineno} catches everything, the host's interrupt included"


def cycles(sources: dict[Path, str]) -> list[list[str]]:
    """Every cycle of imports, listed from each of its modules."""
    modules = {".".join(file.with_suffix("").parts).removesuffix(".__init__") for file in sources}
    graph: dict[str, set[str]] = {}
    for file, source in sources.items():
        module = ".".join(file.with_suffix("").parts).removesuffix(".__init__")
        reached = {name[1:] for _, _, name in imports(file, ast.parse(source)) if name[:1] == "."}
        known = reached & modules | {name.rpartition(".")[0] for name in reached} & modules
        graph[module] = known - {module}
    return [ring for module in sorted(graph) if (ring := ring_from(module, graph))]


def ring_from(start: str, graph: dict[str, set[str]]) -> list[str]:
    """A shortest path from `start` back to itself, or nothing."""
    paths, observed = [[start]], set()
    while paths:
        path = paths.pop(0)
        for following in sorted(graph.get(path[-1], ())):
            if following == start:
                return [*path, start]
            if following not in observed:
                observed.add(following)
                paths.append([*path, following])
    return []
