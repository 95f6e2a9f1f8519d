"""Source files as evidence: parsed without being run, and hashed together with what they import from the engine.

A stage's key covers this hash, so an edited plugin, or an edited engine file under it, reruns exactly its own cells.
"""

import ast
import hashlib
import warnings
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from benchmark.errors import PluginError

HOME = Path(__file__).resolve().parent.parent  # the folder that holds the packages `benchmark` and `plugins`
ENGINE = ("engine",)
STAGE = ("data", "engine", "deploy", "stages")  # whose code changes what a stage makes


def read(path: Path) -> str:
    """A source file's text, line endings normalised; PluginError if it cannot be read."""
    try:
        return path.read_bytes().decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
    except OSError as error:
        raise PluginError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise PluginError(f"{path}: is not UTF-8 (byte {error.start})") from None


def parse(path: Path) -> ast.Module:
    """The syntax tree of a file; PluginError naming file and line if it is not Python."""
    try:
        return _tree(read(path))
    except SyntaxError as error:
        raise PluginError(f"{path}:{error.lineno or 1}: not Python: {error.msg}") from None
    except (ValueError, RecursionError, MemoryError) as error:  # null bytes; nesting beyond the parser
        raise PluginError(f"{path}:1: not Python: {error}") from None


@cache
def _tree(text: str) -> ast.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # an invalid escape is its author's business
        return ast.parse(text)


def fingerprint(path: Path) -> str:
    """SHA-256 (16 hex digits) of a plugin's file and, transitively, of its siblings and the engine files it imports."""
    path = path.resolve()
    names, waiting = {}, [path]
    while waiting:
        file = waiting.pop()
        if file not in names:
            inside = file.is_relative_to(HOME / "benchmark")
            names[file] = str(file.relative_to(HOME).as_posix()) if inside else file.name
            waiting += _imported(file)
    digest = hashlib.sha256()
    for file, name in sorted(names.items(), key=lambda item: (item[0] != path, item[1])):
        digest.update(f"{name}\0{len(read(file))}\0{read(file)}".encode())
    return digest.hexdigest()[:16]


@cache
def code(kind: str) -> str:
    """SHA-256 (16 hex digits) of what a kind of stage runs beside its plugins; comments do not count."""
    names, waiting = set(), [HOME / "benchmark" / "stages" / f"{kind}.py"]
    while waiting:
        file = waiting.pop()
        if file not in names:
            names.add(file)
            waiting += _imported(file, STAGE)
    trees = [f"{file.name}\0{ast.dump(parse(file))}" for file in sorted(names)]
    return hashlib.sha256("\0".join(trees).encode()).hexdigest()[:16]


def _imported(path: Path, rooms: tuple[str, ...] = ENGINE) -> Iterator[Path]:
    """The files that a file's import statements, wherever they stand, name among its siblings and in those rooms."""
    inside = path.is_relative_to(HOME / "benchmark")
    for node in ast.walk(parse(path)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield from _own_files(rooms, alias.name.split("."))
        elif isinstance(node, ast.ImportFrom):
            module = node.module.split(".") if node.module else []
            if node.level:
                folder = path.parents[node.level - 1]
                if not inside:
                    yield from _files(folder, module, node.names)
                    continue
                module = [*folder.relative_to(HOME).parts, *module]
            yield from _own_files(rooms, module, node.names)


def _own_files(rooms: tuple[str, ...], module: list[str], names: list[ast.alias] = ()) -> Iterator[Path]:
    if module[:1] == ["benchmark"]:
        for file in _files(HOME, module, names):
            if file.relative_to(HOME / "benchmark").with_suffix("").parts[0] in rooms:
                yield file


def _files(folder: Path, module: list[str], names: list[ast.alias]) -> Iterator[Path]:
    """The files that `from module import names` runs: packages on the way, the module, names that are files."""
    places = [folder.joinpath(*module[:depth]) for depth in range(1, len(module) + 1)]
    places += [folder.joinpath(*module, alias.name) for alias in names]
    for place in places:
        yield from (file for file in (place / "__init__.py", place.with_name(place.name + ".py")) if file.is_file())
