"""The house: rooms import only from rooms above them, modules are short, and what should be quick imports no torch."""

import ast
import re
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import benchmark
from tests.conftest import FIXTURES, Desk, tiny

HOME = Path(__file__).parent.parent
PACKAGES = ("benchmark", "leaderboard", "plugins")
LIMIT = 300  # lines


def committed(*options: str) -> list[Path]:
    """Every file of the repository; or those that `git ls-files` lists with other options."""
    command = ["git", "ls-files", *options]
    try:
        listed = subprocess.run(command, cwd=HOME, capture_output=True, text=True, check=True).stdout.splitlines()
    except (FileNotFoundError, subprocess.CalledProcessError):
        pytest.skip("not a git checkout")
    return [path for name in listed if (path := HOME / name).is_file()]


def modules() -> dict[str, Path]:
    """Dotted name → file, packages' `__init__` under the package's own name."""
    found = {}
    for package in PACKAGES:
        for path in (HOME / package).rglob("*.py"):
            parts = path.relative_to(HOME).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports(name: str, path: Path, known: dict[str, Path]) -> set[str]:
    """The modules of ours that a module imports, wherever in it the import stands."""
    package = name if path.stem == "__init__" else name.rpartition(".")[0]
    wanted = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            wanted |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            module = ".".join([*above, *([node.module] if node.module else [])])
            wanted |= {
                f"{module}.{alias.name}" if f"{module}.{alias.name}" in known else module for alias in node.names
            }
    return wanted & known.keys()


@pytest.fixture(scope="module")
def graph() -> dict[str, set[str]]:
    known = modules()
    return {name: imports(name, path, known) for name, path in known.items()}


def rooms() -> list[list[str]]:
    """The rooms as the docstring of `benchmark` orders them; those before and those after the torch line."""
    chain = re.search(r"errors →.*?→ run\b", benchmark.__doc__, re.S).group()
    halves = chain.split("(no torch above this line)")
    return [[room for room in re.split(r"[\s→]+", half) if room] for half in halves]


def room(module: str) -> str:
    return module.split(".")[1]


def test_no_circle(graph):
    assert len(graph) > 40
    assert list(TopologicalSorter(graph).static_order())  # CycleError names the circle


def test_the_docstring_names_every_room(graph):
    light, heavy = rooms()
    assert sorted(light + heavy) == sorted({room(name) for name in graph if name.startswith("benchmark.")})


def test_no_room_imports_one_below_it(graph):
    light, heavy = rooms()
    order = {name: place for place, name in enumerate(light + heavy)}
    for name, imported in graph.items():
        for other in imported:
            if name.startswith("benchmark.") and other.startswith("benchmark.") and name != "benchmark.run":
                assert order[room(other)] <= order[room(name)], f"{name} imports {other}"


def test_who_may_import_what(graph):
    light, _ = rooms()
    plugins_see = {"engine", "data", "types", "errors", "vision"}
    for name, imported in graph.items():
        for other in imported:
            top = other.split(".")[0]
            if name.startswith("leaderboard"):
                assert top == "leaderboard" or other == "benchmark" or room(other) in light, f"{name} imports {other}"
            elif name.startswith("plugins"):
                own = other.rpartition(".")[0] == name.rpartition(".")[0]
                assert own or (top == "benchmark" and room(other) in plugins_see), f"{name} imports {other}"
            elif name != "benchmark.run":
                assert top == "benchmark", f"{name} imports {other}"


def test_no_module_is_long():
    lengths = {path.name: path.read_text().count("\n") for path in committed() if path.suffix == ".py"}
    assert len(lengths) > 40
    assert {name: length for name, length in lengths.items() if length > LIMIT} == {}


def test_no_file_names_a_place_of_somebodys_machine():
    places = ["/".join(("", "work", "")), "/." + "library"]
    naming = [
        f"{path.relative_to(HOME)}: {place}"
        for path in committed("--cached", "--others", "--exclude-standard")  # before it is committed, too
        for place in places
        if place.encode() in path.read_bytes()
    ]
    assert naming == []


def heavy_modules(code: str) -> str:
    """Which of the heavy libraries a program has imported."""
    heavy = {"torch", "art", "pandas", "sklearn", "numpy", "openvino", "onnxruntime", "onnx"}
    code += f"\nimport sys\nprint('imported:', sorted({heavy} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", code], cwd=HOME, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[-1]


@pytest.mark.parametrize("option", ["--dry-run", "--explain"])
def test_planning_imports_nothing_heavy(desk: Desk, option):
    arguments = desk.arguments(tiny(), option)
    assert heavy_modules(f"from benchmark.run import main\nassert main({arguments!r}) == 0") == "imported: []"


def test_a_mistake_is_found_without_torch(desk: Desk):
    arguments = desk.arguments(tiny(epsilon=[0.1]))
    assert heavy_modules(f"from benchmark.run import main\nassert main({arguments!r}) == 2") == "imported: []"


def test_listing_plugins_imports_nothing_heavy():
    code = f"from benchmark.plugins import main\nassert main(['--plugins', {str(FIXTURES)!r}]) == 0"
    assert heavy_modules(code) == "imported: []"


def test_a_finished_run_imports_no_torch(finished: Desk):
    arguments = finished.arguments(tiny())
    assert "torch" not in heavy_modules(f"from benchmark.run import main\nassert main({arguments!r}) == 0")


def test_rendering_imports_no_torch(finished: Desk):
    places = [str(finished.folder / "tiny.yaml"), "--out", str(finished.folder / "out"), "--plugins", str(FIXTURES)]
    assert "torch" not in heavy_modules(f"from leaderboard.render import main\nassert main({places!r}) in (0, None)")
