"""The options of a library's own class, read from the library's source: ART takes seconds to import, its text does not.

A plugin that defines `OPTIONS_FROM = "art.attacks.evasion"` and a table `CLASSES` offers every class of that table;
the suite names one as `class`, and whatever else it gives is checked against that class's own `__init__`.
"""

import ast
from importlib.util import find_spec
from pathlib import Path

from benchmark.errors import PluginError
from benchmark.schema import Parameter
from benchmark.signature import lenient
from benchmark.source import parse

REFUSED = {  # options that the engine sets, and where their values come from
    "eps": "it comes from the suite's eps",
    "norm": "it comes from the suite's norm",
    **dict.fromkeys(("estimator", "classifier"), "it is the network under attack"),
    **dict.fromkeys(("batch_size", "verbose", "targeted", "summary_writer"), "the engine sets it"),
}
LENGTHS = ("eps_step",)  # options that are lengths in pixel space; left out, the plugin derives them from ε


def class_options(package: str, name: str) -> tuple[Parameter, ...]:
    """What a suite may give to the class that `package` exports as `name`; PluginError if it cannot be found."""
    file = _exporter(package, name)
    for node in ast.walk(parse(file)):
        if isinstance(node, ast.ClassDef) and node.name == name:
            for method in node.body:
                if isinstance(method, ast.FunctionDef) and method.name == "__init__":
                    return tuple(_parameters(method.args))
    raise PluginError(f"{file}: class {name} has no __init__ of its own to read options from")


def _parameters(arguments: ast.arguments):
    positional = arguments.args[1:]  # without self
    missing = [None] * (len(positional) - len(arguments.defaults))
    pairs = zip(positional, [*missing, *arguments.defaults][-len(positional) or None :], strict=False)
    for argument, default in [*pairs, *zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)]:
        if argument.arg not in REFUSED:
            yield lenient(argument, default, argument.arg in LENGTHS)


def _exporter(package: str, name: str) -> Path:
    """The file that defines the class which `from package import name` would give."""
    module = package
    while True:
        file = _file(module)
        found = _reexported(parse(file), module, name)
        if found is None:
            return file
        module = found


def _reexported(tree: ast.Module, module: str, name: str) -> str | None:
    """The module that a module takes `name` from, or None if it does not say so."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and any(name == (alias.asname or alias.name) for alias in node.names):
            return node.module if not node.level else f"{module}.{node.module}"
    return None


def _file(module: str) -> Path:
    top, *rest = module.split(".")
    spec = find_spec(top)  # of a top-level package: found, not imported
    if spec is None or not spec.submodule_search_locations:
        raise PluginError(f"package {top} is not installed, so the options of its classes are unknown; pip install it")
    place = Path(spec.submodule_search_locations[0], *rest)
    file = place / "__init__.py" if place.is_dir() else place.with_suffix(".py")
    if not file.is_file():
        raise PluginError(f"package {top} has no module {module}")
    return file
