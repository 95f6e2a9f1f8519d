"""The registry: found by folder, read without being run, hashed with what they import, loaded only when asked."""

import subprocess
import sys
from pathlib import Path

import pytest

from benchmark.errors import PluginError
from benchmark.plugins import KINDS, Registry, main
from benchmark.schema import Plain
from benchmark.types import Recipe

GOOD = '''"""Steps towards the loss.

More about it."""
from typing import Annotated, Literal
import a_library_that_is_not_installed

NORMS = ("inf", "2")

def fit(attack, images, labels): ...

def attack(estimator, budget, *, steps: Annotated[int, "1 <= steps < 100"] = 20, rate: float = 1,
           loss: Literal["ce", "dlr"] = "ce", step: Annotated[float | None, "pixels"] = None, class_: str,
           rates: list[float] = [0.1], more: dict | None = None):
    """Not run."""
'''
LIBRARY = '''"""Any attack of a library."""
_BOTH = {"NORMS": ("inf", "2"), "SWEEP": False}
OPTIONS_FROM = "art.attacks.evasion"
NORMS = ("inf",)
CLASSES = {"ProjectedGradientDescent": _BOTH, "CarliniL2Method": {"NORMS": ("2",)}, "SquareAttack": {}}

def attack(estimator, budget, *, class_: str, **options): ...
'''


def write(folder: Path, name: str, source: str) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(source)
    return path


def test_a_signature_is_the_schema(tmp_path):
    path = write(tmp_path, "attacks/mine.py", GOOD)
    plugin = Registry([tmp_path]).find("attack", "mine")
    assert (plugin.kind, plugin.name, plugin.path, plugin.summary) == (
        "attack",
        "mine",
        path,
        "Steps towards the loss.",
    )
    assert plugin.hooks == {"fit"} and plugin.constants["NORMS"] == ("inf", "2")
    assert plugin.constant("NORMS", Recipe("attack", "mine"), ()) == ("inf", "2")
    assert plugin.constant("SWEEP", Recipe("attack", "mine"), True) is True
    parameters = {parameter.key: parameter for parameter in plugin.parameters}
    assert list(parameters) == ["steps", "rate", "loss", "step", "class", "rates", "more"]
    assert [key for key, parameter in parameters.items() if parameter.required] == ["class"]
    assert parameters["class"].name == "class_" and parameters["rate"].default == 1.0
    assert parameters["step"].pixels and parameters["step"].check(Plain("8/255"), scale=0.5) == 4 / 255
    assert parameters["steps"].described() == "steps: int = 20 (1 <= steps < 100)"


@pytest.mark.parametrize(
    "key, given, meant",
    [
        ("steps", Plain("1_0"), 10),
        ("steps", 7, 7),
        ("rate", Plain("1e-3"), 0.001),
        ("rate", "8/255", 8 / 255),
        ("rate", Plain(".5"), 0.5),
        ("rate", 2, 2.0),
        ("loss", Plain("dlr"), "dlr"),
        ("step", Plain("null"), None),
        ("step", Plain(""), None),
        ("class", Plain("off"), "off"),
        ("class", Plain("8/255"), "8/255"),
        ("rates", [Plain("1"), Plain("1/2")], [1.0, 0.5]),
        ("more", {"a": Plain("on"), "b": [Plain("3"), "3", Plain("x")]}, {"a": True, "b": [3, "3", "x"]}),
    ],
)
def test_what_is_expected_decides_what_a_text_means(tmp_path, key, given, meant):
    write(tmp_path, "attacks/mine.py", GOOD)
    (parameter,) = (one for one in Registry([tmp_path]).find("attack", "mine").parameters if one.key == key)
    read = parameter.check(given)
    assert read == meant and type(read) is type(meant)


@pytest.mark.parametrize(
    "key, given, reason",
    [
        ("steps", True, "must be a whole number, not true"),
        ("steps", Plain("yes"), "must be a whole number, not yes"),
        ("steps", 2.0, "must be a whole number, not 2.0"),
        ("steps", 100, "100 is outside its range, 1 <= steps < 100"),
        ("steps", [1], "must be a whole number, not a list"),
        ("rate", float("nan"), "must be a finite number"),
        ("rate", Plain("inf"), "must be a number such as"),
        ("rate", Plain("1/0"), "divides by zero"),
        ("rate", Plain("1/2/3"), "must be a number such as"),
        ("rate", None, "must be a number, not null"),
        ("loss", Plain("drl"), "did you mean dlr?"),
        ("class", 3, "must be a text, not 3"),
        ("rates", Plain("0.1"), "must be a list of float values, not 0.1"),
        ("rates", [Plain("x")], "must be a number such as"),
        ("more", Plain("x"), "must be a mapping, not x"),
    ],
)
def test_a_value_that_does_not_fit_is_refused(tmp_path, key, given, reason):
    write(tmp_path, "attacks/mine.py", GOOD)
    (parameter,) = (one for one in Registry([tmp_path]).find("attack", "mine").parameters if one.key == key)
    with pytest.raises(ValueError) as caught:
        parameter.check(given)
    assert reason in str(caught.value)


@pytest.mark.parametrize(
    "kind, source, message",
    [
        ("attack", "def attack(:", "mine.py:1: not Python"),
        ("attack", "x = 1", "mine.py:1: defines no function attack"),
        (
            "attack",
            "\ndef attack(estimator): ...",
            "mine.py:2: the function must be attack(estimator, budget, *, …), not",
        ),
        ("attack", "def attack(e, b, **options): ...", "mine.py:1: the function must be"),
        ("attack", "def attack(e, b, *, n): ...", "parameter n has no annotation"),
        (
            "attack",
            "def attack(e, b, *,\n  n: set[int]): ...",
            "mine.py:2: parameter n: annotation set[int] is not one of int",
        ),
        ("attack", "def attack(e, b, *, n: int = 2 * k): ...", "parameter n: its default 2 * k is not a literal"),
        ("attack", "def attack(e, b, *, n: int = 'x'): ...", "its default 'x': must be a whole number"),
        ("attack", "def attack(e, b, *, n: Annotated[int, 'n > 0'] = 0): ...", "0 is outside its range, n > 0"),
        (
            "attack",
            "def attack(e, b, *, n: Annotated[int, 'm > 0']): ...",
            'parameter n: "m > 0" is neither "pixels" nor a',
        ),
        ("attack", "def attack(e, b, *, n: Annotated[int, 'n and']): ...", 'parameter n: "n and" is neither'),
        ("attack", "def attack(e, b, *, n: Annotated[str, 'n > 0']): ...", "only numbers have a range"),
        ("attack", "NORMS = ('inf', '3')\ndef attack(e, b): ...", "NORMS must be a literal tuple of some of"),
        ("attack", "SWEEP = 0\ndef attack(e, b): ...", "SWEEP must be True or False"),
        (
            "attack",
            "OPTIONS_FROM = 'art'\ndef attack(e, b, *, class_: str, **o): ...",
            "CLASSES a literal dict beside it",
        ),
        ("model", "def model(*, classes, size): ...", "must be model(*, classes, channels, size, …)"),
        ("dataset", "def dataset(root, extra): ...", "must be dataset(roots, *, …)"),
    ],
)
def test_a_file_outside_the_contract_is_one_line_when_it_is_asked_for(tmp_path, kind, source, message):
    write(tmp_path, f"{KINDS[kind]}/mine.py", source)
    write(tmp_path, "attacks/well.py", "def attack(estimator, budget): ...")
    registry = Registry([tmp_path])
    assert registry.find("attack", "well").parameters == ()
    with pytest.raises(PluginError) as caught:
        registry.find(kind, "mine")
    assert message in str(caught.value) and str(tmp_path) in str(caught.value) and "\n" not in str(caught.value)
    listed = {(kind, name): found for kind, name, found in registry.all()}
    assert isinstance(listed[kind, "mine"], PluginError) and listed["attack", "well"].name == "well"


def test_folders(tmp_path):
    first = write(tmp_path, "one/attacks/mine.py", GOOD)
    second = write(tmp_path, "two/attacks/mine.py", GOOD)
    write(tmp_path, "two/attacks/_helper.py", "")
    assert Registry([tmp_path / "one" / "attacks"]).find("attack", "mine").path == first
    same = Registry([tmp_path / "one", tmp_path / "one" / "attacks"])
    assert same.find("attack", "mine").path == first  # one file, found in two ways
    both = Registry([tmp_path / "one", tmp_path / "two"])
    assert "mine" in both.names("attack") and "_helper" not in both.names("attack")
    with pytest.raises(PluginError, match="is found twice") as caught:
        both.find("attack", "mine")
    assert str(first) in str(caught.value) and str(second) in str(caught.value)
    with pytest.raises(PluginError, match=r"unknown attack 'mind'.*did you mean mine\?\)$"):
        same.find("attack", "mind")
    assert Registry().unknown("attack", "mine").endswith("; your own? give its folder with --plugins DIR")
    with pytest.raises(PluginError, match="there is no such folder"):
        Registry([tmp_path / "three"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(PluginError, match="holds none of the folders attacks, compressions"):
        Registry([tmp_path / "empty"])


def test_installed_plugins_are_found_without_being_imported(tmp_path, monkeypatch):
    path = write(tmp_path, "their_package/attacks/theirs.py", GOOD)
    write(tmp_path, "their_package/__init__.py", "raise SystemExit('imported')")
    write(tmp_path, "theirs-1.dist-info/METADATA", "Metadata-Version: 2.1\nName: theirs\nVersion: 1\n")
    entries = "[leanarmor.plugins]\ntheirs = their_package\ngone = no_such_package\n"
    write(tmp_path, "theirs-1.dist-info/entry_points.txt", entries)
    monkeypatch.syspath_prepend(tmp_path)
    registry = Registry()
    assert registry.find("attack", "theirs").path == path
    with pytest.raises(PluginError, match="entry point gone = no_such_package leads to no folder"):
        registry.find("attack", "x")


def test_the_hash_covers_siblings_and_the_engine_and_nothing_else(tmp_path, monkeypatch):
    plugin = "from benchmark.engine.one import x\nfrom ._near import y\n"
    plugin += "def attack(e, b):\n    from benchmark.engine import three\n"
    write(tmp_path, "mine/attacks/far.py", plugin)
    write(tmp_path, "mine/attacks/_near.py", "from . import _nearer\n")
    write(tmp_path, "mine/attacks/_nearer.py", "")
    for name in ("__init__", "one", "two", "three", "four"):
        write(tmp_path, f"home/benchmark/engine/{name}.py", "")
    write(tmp_path, "home/benchmark/engine/one.py", "from .two import z\nfrom benchmark import data\n")
    write(tmp_path, "home/benchmark/data.py", "")
    monkeypatch.setattr("benchmark.source.HOME", tmp_path / "home")

    def source() -> str:
        return Registry([tmp_path / "mine"]).find("attack", "far").source

    hashes = [source()]
    for name in ("home/benchmark/data.py", "home/benchmark/engine/four.py"):
        write(tmp_path, name, "changed = True")
    write(tmp_path, "mine/attacks/far.py", plugin.replace("\n", "\r\n"))
    assert source() == hashes[0]
    edited = [f"mine/attacks/{name}.py" for name in ("far", "_near", "_nearer")]
    edited += [f"home/benchmark/engine/{name}.py" for name in ("__init__", "one", "two", "three")]
    for name in edited:
        write(tmp_path, name, (tmp_path / name).read_text() + "\n# edited")
        hashes.append(source())
    assert len(set(hashes)) == 8 and all(len(one) == 16 for one in hashes)


def test_a_plugin_is_loaded_with_its_siblings_and_again_when_it_was_edited(tmp_path):
    write(tmp_path, "attacks/mine.py", "from ._near import x\ndef attack(e, b): return x\n")
    near = write(tmp_path, "attacks/_near.py", "x = 1\n")
    plugin = Registry([tmp_path]).find("attack", "mine")
    assert plugin.load().attack(None, None) == 1 and plugin.load() is plugin.load()
    near.write_text("x = 2\n")  # the same length, within the same second
    assert Registry([tmp_path]).find("attack", "mine").load().attack(None, None) == 2


def test_a_plugin_that_cannot_be_run_names_its_line(tmp_path):
    path = write(tmp_path, "attacks/mine.py", "x = 1\nimport no_such_library\ndef attack(e, b): ...\n")
    plugin = Registry([tmp_path]).find("attack", "mine")
    with pytest.raises(PluginError) as caught:
        plugin.load()
    assert str(caught.value) == f"{path}:2: ModuleNotFoundError: No module named 'no_such_library'"


def test_a_librarys_own_classes(tmp_path):
    write(tmp_path, "attacks/library.py", LIBRARY)
    plugin = Registry([tmp_path]).find("attack", "library")
    assert [one.key for one in plugin.accepts()] == ["class"]
    with pytest.raises(ValueError, match=r"did you mean SquareAttack\?"):
        plugin.parameters[0].check("SquarAttack")
    options = {one.key: one for one in plugin.accepts("ProjectedGradientDescent")}
    assert set(options) == {"class", "eps_step", "decay", "max_iter", "num_random_init", "random_eps"}
    assert options["max_iter"].default == 100 and options["max_iter"].check(Plain("5")) == 5
    assert options["eps_step"].pixels and options["eps_step"].check(Plain("1"), scale=0.5) == 0.5
    for klass, norms, sweep in (
        ("ProjectedGradientDescent", ("inf", "2"), False),
        ("CarliniL2Method", ("2",), None),
        ("SquareAttack", ("inf",), None),
    ):
        recipe = Recipe("attack", "library", (("class_", klass),))
        assert (plugin.constant("NORMS", recipe), plugin.constant("SWEEP", recipe)) == (norms, sweep)


def test_a_library_that_is_not_there(tmp_path):
    write(tmp_path, "attacks/library.py", LIBRARY.replace("art.attacks", "no_such_library.attacks"))
    with pytest.raises(PluginError, match="package no_such_library is not installed"):
        Registry([tmp_path]).find("attack", "library").accepts("SquareAttack")


def test_the_listing(tmp_path, capsys):
    write(tmp_path, "attacks/mine.py", GOOD)
    write(tmp_path, "attacks/worse.py", "def attack(:")
    assert main(["attack", "mine", "worse", "--plugins", str(tmp_path)]) == 0
    shown = capsys.readouterr().out
    assert "mine                 Steps towards the loss." in shown and "      loss: 'ce' | 'dlr' = 'ce'\n" in shown
    assert f"BROKEN: {tmp_path / 'attacks' / 'worse.py'}:1: not Python" in shown
    assert main(["--plugins", str(tmp_path / "nowhere")]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_the_listing_shows_every_choice_on_lines_that_a_terminal_can_hold(monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "80")
    assert main(["attack", "art"]) == 0
    shown = capsys.readouterr().out
    (chosen,) = (one for one in Registry().find("attack", "art").parameters if one.key == "class")
    assert all(f"'{name}'" in shown for name in chosen.type.choices) and "names)" not in shown
    own = shown.splitlines()[2:]
    assert len(own) > 3 and all(line.startswith("      ") and len(line) <= 80 for line in own)


def test_the_listing_imports_no_heavy_library():
    program = "import sys; from benchmark.plugins import main; main([])\n"
    program += "assert not {'torch', 'art', 'numpy'} & set(sys.modules)"
    listed = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert all(folder in listed.splitlines() for folder in KINDS.values())
    assert "BROKEN" not in listed
