"""The command line: one plugin, one line for each check.

    python -m benchmark.check attack pgd --options '{steps: 5}'
    python -m benchmark.check compression my_plugins/halve.py

Exit status: 0 no check failed; 1 one did; 2 the request is wrong (one line); 130 interrupted.
"""

import argparse
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from benchmark.check.contract import CHECKS, IMAGES, contract
from benchmark.check.verdict import FAILED, OK, SKIPPED, name
from benchmark.errors import LeanarmorError, RequestError, SuiteError
from benchmark.plugins import KINDS, Registry
from benchmark.recipes import Recipes
from benchmark.stages.workplace import Workplace
from benchmark.store import Store
from benchmark.types import NORMS, Recipe
from benchmark.yaml_nodes import read

FEWEST = 10  # images that an attack can be judged by at all
NOTHING = "{}"  # options that nobody has given
WIDTH = 1 + max(len(name(check)) for checks in CHECKS.values() for check in checks)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    try:
        options = _parse(arguments)
        if options.list:
            for check in CHECKS[options.kind]:
                print(f"{name(check):<{WIDTH}} {check.__doc__}")
            return 0
        with TemporaryDirectory() as folder:
            return _main(options, Path(folder))
    except LeanarmorError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130


def _main(options: argparse.Namespace, folder: Path) -> int:
    registry, plugin = _registry(options)
    recipe = recipe_of(registry, options.kind, plugin, options.options, folder)
    place = Workplace(Store(folder / "store"), registry, data_folders=tuple(options.data))
    torch.set_num_threads(1)  # the same bits, whatever else the machine does
    counts, shown = Counter(), None
    for about, verdict in contract(place, recipe, options.norm, options.images):
        if not counts:  # by now the request has turned out to be right
            print(f"{options.kind} {plugin}: {registry.find(options.kind, plugin).summary}")
        if about not in ("", shown):
            print(about)
        shown = about
        counts[verdict.verdict] += 1
        print(f"  {verdict.check:<{WIDTH}} {verdict.verdict:<8} {verdict.reason}", flush=True)
    print(", ".join(f"{counts[verdict]} {verdict}" for verdict in (OK, FAILED, SKIPPED)))
    return 1 if counts[FAILED] else 0


def recipe_of(registry: Registry, kind: str, plugin: str, options: str, folder: Path) -> Recipe:
    """The recipe that a suite would give as {plugin: options}; `folder` is for a file of it. RequestError."""
    path = folder / "options.yaml"
    path.write_text(f"{plugin}: {options}\n")
    try:
        return Recipes(registry).read(kind, read(path))
    except SuiteError as error:
        where = f" {error.where}:" if error.where else ""
        form = "; give --options '{name: value}'" if options == NOTHING else ""
        raise RequestError(f"--options {options}:{where} {error.problem}{form}") from None


def _registry(options: argparse.Namespace) -> tuple[Registry, str]:
    """The plugins, and the name of the one that is asked for."""
    path = Path(options.plugin)
    if path.suffix != ".py":
        registry = Registry(options.plugins)
        registry.find(options.kind, options.plugin)
        return registry, options.plugin
    if not path.is_file():
        raise RequestError(f"{path}: there is no such file; give a plugin's name or its file")
    registry = Registry(options.plugins, [(options.kind, path.resolve().parent)])
    registry.find(options.kind, path.stem)
    return registry, path.stem


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m benchmark.check", description="Check that a plugin keeps its contract.")
    parser.add_argument("kind", choices=KINDS)
    parser.add_argument("plugin", nargs="?", metavar="NAME_OR_FILE", help="a plugin's name, or its .py file")
    parser.add_argument("--options", default=NOTHING, metavar="YAML", help="its parameters, as '{steps: 3}'")
    parser.add_argument("--plugins", action="append", default=[], type=Path, metavar="DIR", help="your own plugins")
    parser.add_argument("--data", action="append", default=[], type=Path, metavar="DIR", help="look for data here")
    parser.add_argument("--norm", choices=NORMS, help="of an attack (default: every one that it takes)")
    parser.add_argument("--images", type=int, default=IMAGES, help="that an attack is given (default: %(default)s)")
    parser.add_argument("--list", action="store_true", help="say what is checked, and check nothing")
    options = parser.parse_args(arguments)
    if options.images < FEWEST:
        raise RequestError(f"--images {options.images}: give at least {FEWEST}")
    if options.norm and options.kind != "attack":
        raise RequestError(f"--norm {options.norm}: only an attack has a norm; leave it out")
    if not options.plugin and not options.list:
        raise RequestError("name a plugin, or give its file")
    return options


if __name__ == "__main__":
    sys.exit(main())
