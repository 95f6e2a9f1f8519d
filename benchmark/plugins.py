"""Plugins: found by kind and name, their signature read as their schema, their source hashed, without running them.

The filesystem is the registry: KIND_FOLDER/NAME.py is the plugin NAME. Users' folders, installed packages' (entry
points of the group `leanarmor.plugins`) and our own are searched alike; a name found twice is an error when it is asked
for, and so is a file that breaks the contract. `python -m benchmark.plugins` lists them all.
"""

import argparse
import ast
import importlib.metadata
import importlib.util
import re
import shutil
import sys
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import Any

from benchmark import loading
from benchmark import source as sources
from benchmark.errors import LeanarmorError, PluginError, suggest
from benchmark.foreign import class_options
from benchmark.schema import Parameter, Type
from benchmark.signature import Unreadable, constants, parameter
from benchmark.types import NORMS, Recipe

KINDS = {
    "attack": "attacks",
    "compression": "compressions",
    "training": "trainings",
    "model": "models",
    "dataset": "datasets",
}
FUNCTIONS = {
    "attack": ("attack", ("estimator", "budget")),
    "compression": ("compress", ("model", "context")),
    "training": ("train", ("estimator", "data", "context")),
    "model": ("model", ()),
    "dataset": ("dataset", ("roots",)),
}
FROM_ENGINE = {"model": ("classes", "channels", "size")}  # keyword parameters that are not the suite's to give
HOOKS = ("rebuild", "settle", "fit", "pretrained")
NAME = re.compile(r"[A-Za-z0-9][\w-]*")


@dataclass(frozen=True)
class Plugin:
    """One plugin file, read but not run. `source` is the hash of all that its stages' keys must cover."""

    kind: str
    name: str
    path: Path
    summary: str
    parameters: tuple[Parameter, ...]
    constants: Mapping[str, Any]
    source: str
    hooks: frozenset[str]

    def load(self) -> ModuleType:
        """The plugin's module, imported once; PluginError, in one line, if running its file fails."""
        return loading.load(self.path, self.source)

    def accepts(self, klass: str | None = None) -> tuple[Parameter, ...]:
        """The parameters of a recipe; `klass` is its `class`, for a plugin that offers a library's own classes."""
        if klass is None or "OPTIONS_FROM" not in self.constants:
            return self.parameters
        own = {parameter.key for parameter in self.parameters}
        options = class_options(self.constants["OPTIONS_FROM"], klass)
        return self.parameters + tuple(option for option in options if option.key not in own)

    def heeds(self, name: str) -> bool:
        """Whether an attack looks at this of its budget (its mode, say)."""
        return any(
            isinstance(node, ast.Attribute) and ast.unparse(node) == f"budget.{name}"
            for node in ast.walk(sources.parse(self.path))
        )

    def constant(self, name: str, recipe: Recipe | None = None, default: Any = None) -> Any:
        """A module constant such as NORMS; for a library's class, what the plugin's table CLASSES says of it."""
        classes = self.constants.get("CLASSES", {})
        table = classes.get(recipe.kwargs.get("class_"), {}) if recipe and "OPTIONS_FROM" in self.constants else {}
        return table.get(name, self.constants.get(name, default))


class Registry:
    """Every plugin there is. `folders` are a user's own (--plugins): each holds folders named as KINDS says, or is one.

    `places` are folders, whatever their name, of plugins of one kind. A file is read only when it is asked for, so a
    broken plugin stops only those who use it.
    """

    def __init__(self, folders: Sequence[Path] = (), places: Sequence[tuple[str, Path]] = ()):
        self.folders = tuple(map(Path, folders))
        self._places = [*places, *(place for folder in self.folders for place in _user_places(folder))]
        self._found: dict[tuple[str, str], Plugin] = {}
        self._unfound: list[str] = []  # entry points that lead nowhere: told when a name is unknown

    @cached_property
    def _files(self) -> dict[tuple[str, str], list[Path]]:
        """(kind, name) → the files of that name, each once, however many ways lead to it."""
        files: dict[tuple[str, str], list[Path]] = {}
        for kind, place in [*self._places, *self._installed(), *_places(sources.HOME / "plugins")]:
            for path in sorted(place.glob("*.py")):
                known = files.setdefault((kind, path.stem), []) if NAME.fullmatch(path.stem) else [path]
                if not any(path.samefile(other) for other in known):
                    known.append(path)
        return files

    def _installed(self) -> Iterator[tuple[str, Path]]:
        for entry in importlib.metadata.entry_points(group="leanarmor.plugins"):
            top, *rest = entry.module.split(".")
            spec = importlib.util.find_spec(top)  # of a top-level package: found, not imported
            locations = list(spec.submodule_search_locations or ()) if spec else []
            places = [place for location in locations for place in _places(Path(location, *rest))]
            if not places:
                self._unfound.append(f"entry point {entry.name} = {entry.value} leads to no folder of plugins")
            yield from places

    def names(self, kind: str) -> list[str]:
        return sorted(name for of_kind, name in self._files if of_kind == kind)

    def find(self, kind: str, name: str) -> Plugin:
        """The plugin; PluginError if there is none, or two, or its file breaks the contract."""
        if (kind, name) not in self._found:
            files = self._files.get((kind, name), [])
            if not files:
                raise PluginError(self.unknown(kind, name))
            if len(files) > 1:
                both = " and ".join(map(str, files))
                raise PluginError(f"{kind} {name!r} is found twice: {both}; rename one of them")
            self._found[kind, name] = _read(kind, files[0])
        return self._found[kind, name]

    def unknown(self, kind: str, name: str) -> str:
        """What is told of a name that no plugin has."""
        notes = "".join(f"; {note}" for note in self._unfound)
        own = "" if self.folders else "; your own? give its folder with --plugins DIR"
        return f"unknown {kind} {name!r}{suggest(name, self.names(kind))}{notes}{own}"

    def all(self) -> Iterator[tuple[str, str, Plugin | PluginError]]:
        """Every kind and name, with its plugin or with what is wrong with it."""
        for kind in KINDS:
            for name in self.names(kind):
                try:
                    yield kind, name, self.find(kind, name)
                except PluginError as error:
                    yield kind, name, error


def _places(folder: Path) -> list[tuple[str, Path]]:
    return [(kind, folder / name) for kind, name in KINDS.items() if (folder / name).is_dir()]


def _user_places(folder: Path) -> list[tuple[str, Path]]:
    if not folder.is_dir():
        raise PluginError(f"--plugins {folder}: there is no such folder")
    itself = [(kind, folder) for kind, name in KINDS.items() if folder.resolve().name == name]
    places = _places(folder) or itself
    if not places:
        raise PluginError(f"--plugins {folder}: holds none of the folders {', '.join(KINDS.values())}")
    return places


def _read(kind: str, path: Path) -> Plugin:
    tree = sources.parse(path)
    try:
        found = _constants(kind, tree)
        parameters = _parameters(kind, tree, found)
    except Unreadable as error:
        raise PluginError(f"{path}:{error.line}: {error}") from None
    bound = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    bound |= {
        alias.asname or alias.name for node in tree.body if isinstance(node, ast.ImportFrom) for alias in node.names
    }
    summary = (ast.get_docstring(tree) or "").partition("\n")[0]
    hooks = frozenset(bound.intersection(HOOKS))
    return Plugin(kind, path.stem, path, summary, parameters, found, sources.fingerprint(path), hooks)


def _constants(kind: str, tree: ast.Module) -> dict[str, Any]:
    """A plugin's constants; Unreadable if one that the engine reads is not what it must be."""
    found = constants(tree)
    if kind == "compression" and not _widths(found.get("WIDTHS", {})):
        raise Unreadable(1, 'WIDTHS must be a literal dict as {"weights": ("bits",), "activations": ("bits",)}')
    if kind == "dataset" and not _shape(found.get("TEST")):
        raise Unreadable(1, "TEST must be a literal tuple (n, channels, height, width): the shape of the test images")
    if kind != "attack":
        return found
    tables = [found, *(found["CLASSES"].values() if isinstance(found.get("CLASSES"), dict) else ())]
    for table in tables:
        norms = table.get("NORMS", NORMS)
        if not isinstance(norms, tuple | list) or not norms or not set(norms) <= set(NORMS):
            raise Unreadable(1, f"NORMS must be a literal tuple of some of {', '.join(map(repr, NORMS))}")
    for name in ("SWEEP", "MINIMUM_NORM", "BLACK_BOX", "BOUNDARY", "ITERATIVE"):
        if any(not isinstance(table.get(name, False), bool) for table in tables):
            raise Unreadable(1, f"{name} must be True or False")
    if "OPTIONS_FROM" in found and not (
        isinstance(found["OPTIONS_FROM"], str) and isinstance(found.get("CLASSES"), dict)
    ):
        raise Unreadable(1, "OPTIONS_FROM must be a literal text, and CLASSES a literal dict beside it")
    return found


def _widths(given: Any) -> bool:
    """Whether a compression says rightly which of its parameters set bit widths, of weights and of activations."""
    return isinstance(given, dict) and all(isinstance(names, tuple | list) for names in given.values())


def _shape(given: Any) -> bool:
    """Whether a dataset says rightly, or not at all, of what shape its test images are."""
    whole = isinstance(given, tuple) and len(given) == 4 and all(isinstance(size, int) for size in given)
    return given is None or (whole and min(given) > 0)


def _parameters(kind: str, tree: ast.Module, found: Mapping[str, Any]) -> tuple[Parameter, ...]:
    """The suite's parameters of a plugin's function; Unreadable if the function is missing or is not as it must be."""
    name, given = FUNCTIONS[kind]
    keywords = FROM_ENGINE.get(kind, ())
    wanted = f"{name}({', '.join([*given, '*', *keywords, '…'])})"
    function = next((node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == name), None)
    if function is None:
        raise Unreadable(1, f"defines no function {name}; a plugin of kind {kind} is a file that defines {wanted}")
    arguments = function.args
    positional = [argument.arg for argument in arguments.posonlyargs + arguments.args]
    named = [argument.arg for argument in arguments.kwonlyargs]
    options = arguments.kwarg is None or "OPTIONS_FROM" in found
    if len(positional) != len(given) or not set(keywords) <= set(named) or arguments.vararg or not options:
        raise Unreadable(function.lineno, f"the function must be {wanted}, not {name}({ast.unparse(arguments)})")
    read = [
        parameter(argument, default)
        for argument, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
        if argument.arg not in keywords
    ]
    if "OPTIONS_FROM" in found:
        if "class_" not in named:
            raise Unreadable(function.lineno, "a plugin with OPTIONS_FROM needs a parameter class_")
        chosen = Parameter("class_", Type(choices=tuple(found["CLASSES"])), required=True)
        read = [chosen if one.name == "class_" else one for one in read]
    return tuple(read)


def main(arguments: Sequence[str] | None = None) -> int:
    """List every plugin with its parameters, or those of the kind and names given."""
    parser = argparse.ArgumentParser(prog="python -m benchmark.plugins", description=main.__doc__)
    parser.add_argument("kind", nargs="?", choices=KINDS, help="only this kind")
    parser.add_argument("name", nargs="*", help="only these plugins")
    parser.add_argument("--plugins", action="append", default=[], type=Path, metavar="DIR", help="a folder of your own")
    chosen = parser.parse_args(arguments)
    try:
        registry = Registry(chosen.plugins)
        listing = list(registry.all())
    except LeanarmorError as error:
        print(error, file=sys.stderr)
        return 2
    of_kind = [name for kind, name, _ in listing if chosen.kind in (None, kind)]
    for name in chosen.name:
        if name not in of_kind:
            print(f"error: {registry.unknown(chosen.kind, name)}", file=sys.stderr)
            return 2
    shown = None
    for kind, name, found in listing:
        if chosen.kind in (None, kind) and (not chosen.name or name in chosen.name):
            if kind != shown:
                print(f"\n{KINDS[kind]}" if shown else KINDS[kind])
            shown = kind
            broken = isinstance(found, PluginError)
            print(f"  {name:<20} {'BROKEN: ' + str(found) if broken else found.summary}")
            for one in () if broken else found.parameters:
                print(_wrapped(one.described(most=None)))
    return 0


def _wrapped(described: str) -> str:
    """A parameter as the listing shows it: whole, on as many lines as the terminal needs."""
    width = max(shutil.get_terminal_size((120, 0)).columns, 60)
    kept = {"break_long_words": False, "break_on_hyphens": False}
    return textwrap.fill(described, width, initial_indent=" " * 6, subsequent_indent=" " * 10, **kept)


if __name__ == "__main__":
    sys.exit(main())
