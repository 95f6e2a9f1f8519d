"""Suites: what is written is what is read, and every mistake is one line that names its place."""

import subprocess
import sys
from pathlib import Path

import pytest

from benchmark.errors import SuiteError
from benchmark.plugins import Registry
from benchmark.suite import load
from benchmark.types import BEFORE, Epsilon, Limit, Recipe, Source

PLUGINS = {
    "attacks/ball.py": '''"""An attack in a ball."""
from typing import Annotated
import a_library_that_is_not_installed
NORMS = ("inf", "2")
def attack(estimator, budget, *, steps: Annotated[int, "steps >= 1"] = 20, restarts: int = 1,
           step: Annotated[float | None, "step > 0", "pixels"] = None):
    pass
''',
    "attacks/flat.py": 'def attack(estimator, budget): "No NORMS: inf alone."',
    "compressions/cut.py": """from typing import Annotated, Literal
def compress(model, context, *, ratio: Annotated[float, "0 < ratio < 1"],
             of: Literal["channels", "weights"] = "channels", exact: bool = False):
    pass
""",
    "trainings/plain.py": "def train(estimator, data, context, *, epochs: int = 2, note: str | None = None): pass",
    "trainings/hard.py": """from typing import Annotated
def train(estimator, data, context, *, eps: Annotated[float, "0 < eps <= 1", "pixels"], epochs: int = 2): pass
""",
    "models/net.py": "def model(*, classes, channels, size, widths: list[int] = [8, 16]): pass",
    "datasets/spots.py": "def dataset(roots, *, folder: str = 'spots'): pass",
    "attacks/broken.py": "def attack(estimator, budget, *, steps: int = 20:\n    pass\n",
    "attacks/late.py": "def attack(estimator, budget, *, steps: int = default()):\n    pass\n",
}
COMMON = """\
name: small
dataset: spots
model: net
compressions: {dense: []}
trainings: {standard: {before: plain}}
"""
WHOLE = COMMON + "eps: [0.1]\nattacks: {ball: {ball: }}\n"


@pytest.fixture
def folder(tmp_path) -> Path:
    for name, source in PLUGINS.items():
        path = tmp_path / "mine" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source)
    return tmp_path / "mine"


@pytest.fixture
def read(folder, tmp_path):
    def read(text: str | bytes):
        path = tmp_path / "suite.yaml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return load(path, Registry([folder]))

    return read


def test_a_suite_is_read_whole(read):
    suite = read("""\
name: adver-fine
source: arXiv 2403.09441
seeds: [0, 2]
limit: {train: 1_000}
trainings:
  standard: {before: {plain: {epochs: 3}}}
  both: {before: plain, after: {hard: {eps: 8/255}}}
grids:
  - name: spots
    dataset: spots
    model: {net: {widths: [4]}}
    eps: [.1, 1e-3, 8/255]
    limit: {test: 50}
    compressions:
      dense: []
      off: [{cut: {ratio: 1/2, exact: on}}, {finetune: before}, {finetune: {plain: }}, {cut: {ratio: "0.5"}}]
    attacks:
      1: {ball: {steps: 5}}
      far: {ball: , norm: 2, eps: 1.5, from: dense}
  - name: more
    dataset: spots
    model: net
    limit: {test: 50}
    compressions: {dense: []}
    attacks: {sent: {flat: {}, eps: "0.1", from: {grid: spots, training: both, seed: 2}}}
""")
    assert (suite.name, suite.source, suite.seeds, suite.eps_space) == ("adver-fine", "arXiv 2403.09441", (0, 2), None)
    spots, more = suite.grids
    assert spots.model == Recipe("model", "net", (("widths", [4]),)) and spots.limit == Limit(None, 50)
    assert [compression.name for compression in spots.compressions] == ["dense", "off"]
    cut = Recipe("compression", "cut", (("exact", True), ("of", "channels"), ("ratio", 0.5)))
    plain = Recipe("training", "plain", (("epochs", 2), ("note", None)))
    assert spots.compressions[1].steps == (
        cut,
        BEFORE,
        plain,
        Recipe("compression", "cut", cut.arguments[1:] and (("exact", False), *cut.arguments[1:])),
    )
    assert [training.name for training in spots.trainings] == ["standard", "both"]
    assert spots.trainings[1].before == plain and spots.trainings[1].after.kwargs == {"eps": 8 / 255, "epochs": 2}
    one, far = spots.attacks
    assert (one.name, one.norm, one.source) == ("1", "inf", None)
    assert one.recipe.kwargs == {"steps": 5, "restarts": 1, "step": None}
    assert one.eps == (Epsilon(1e-3, 1e-3, "1e-3"), Epsilon(8 / 255, 8 / 255, "8/255"), Epsilon(0.1, 0.1, ".1"))
    assert (far.norm, far.eps, far.source) == ("2", (Epsilon(1.5, 1.5, "1.5"),), Source(compression="dense"))
    assert more.attacks[0].source == Source("spots", None, "both", 2)


def test_one_grid_needs_no_list_of_grids(read):
    suite = read(WHOLE)
    assert [grid.name for grid in suite.grids] == ["main"] and suite.seeds == (0,)


def test_eps_space_rescales_lengths_and_keeps_what_was_written(read):
    suite = read(
        COMMON.replace("plain", "{hard: {eps: 8/255}}")
        + "eps_space: {normalised: 0.5}\neps: [8/255, 1.5]\nattacks: {ball: {ball: {step: 2/255, steps: 4}}}\n"
    )
    (grid,) = suite.grids
    assert suite.eps_space == 0.5
    assert grid.attacks[0].eps == (Epsilon(4 / 255, 8 / 255, "8/255"), Epsilon(0.75, 1.5, "1.5"))
    assert grid.attacks[0].recipe.kwargs == {"step": 1 / 255, "steps": 4, "restarts": 1}
    assert grid.trainings[0].before.kwargs["eps"] == 4 / 255


def test_aliases_and_merge_keys(read):
    suite = read(
        COMMON + "eps: 0.1\nattacks:\n  a: &a {ball: {steps: 3}, norm: 2}\n  b: {<<: *a, norm: inf}\n  c: *a\n"
    )
    a, b, c = suite.grids[0].attacks
    assert a.recipe == b.recipe == c.recipe and (a.norm, b.norm, c.norm) == ("2", "inf", "2")


def test_a_broken_plugin_that_is_not_used_does_not_matter(folder, read):
    (folder / "attacks" / "worse.py").write_bytes(b"\xff\x00")
    assert read(WHOLE).grids[0].attacks[0].recipe.plugin == "ball"


def test_any_art_attack_is_checked_against_its_own_signature(read):
    suite = read(COMMON + "eps_space: {normalised: 0.5}\neps: 0.1\nattacks:\n"
                 "  a: {art: {class: ProjectedGradientDescent, max_iter: 5, eps_step: 0.02}}\n")  # fmt: skip
    arguments = suite.grids[0].attacks[0].recipe.kwargs
    assert arguments["class_"] == "ProjectedGradientDescent" and arguments["eps_step"] == 0.01
    assert arguments["max_iter"] == 5 and arguments["num_random_init"] == 0 and "eps" not in arguments


ATTACKS = COMMON + "eps: [0.1]\nattacks:\n"
GRIDS = """\
name: two
eps: [0.1]
model: net
trainings: {standard: {before: plain}}
grids:
  - {name: a, dataset: spots, compressions: {dense: []}, attacks: {ball: {ball: }}}
  - name: b
    dataset: %s
    compressions: {dense: [], half: [{cut: {ratio: 0.5}}]}
    attacks: {sent: {ball: , from: %s}}
"""
BROKEN = {
    "duplicate key": (WHOLE + "model: net\n", 8, "model: is given twice, on lines 3 and 8"),
    "duplicate key in braces": (
        ATTACKS + "  a: {ball: {steps: 1, steps: 2}}\n",
        8,
        "attacks.a.ball.steps: is given twice",
    ),
    "unknown key": (WHOLE + "sedes: [0]\n", 8, "sedes: unknown key; it takes name, source, seeds"),
    "unknown key suggests": (WHOLE + "sedes: [0]\n", 8, "(did you mean seeds?)"),
    "not built yet": (WHOLE + "claims: []\n", 8, "claims: is not supported yet"),
    "attack's not built yet": (ATTACKS + "  a: {ball: , on: openvino}\n", 8, "attacks.a.on: is not supported yet"),
    "bool for int": (
        ATTACKS + "  a: {ball: {steps: true}}\n",
        8,
        "attacks.a.steps: must be a whole number, not true",
    ),
    "float for int": (ATTACKS + "  a:\n    ball:\n      steps: 2.5\n", 10, "must be a whole number, not 2.5"),
    "text for number": (
        WHOLE.replace("0.1", "small"),
        6,
        "eps.1: must be a number such as 0.1, 1e-3 or 8/255, not small",
    ),
    "nan": (WHOLE.replace("0.1", ".nan"), 6, "must be a number"),
    "overflow": (WHOLE.replace("0.1", "1e999"), 6, "must be a finite number"),
    "eps zero": (WHOLE.replace("0.1", "0.1, 0"), 6, "eps.2: must be greater than 0, not 0"),
    "eps over 1": (WHOLE.replace("0.1", "1.5"), 6, "ε 1.5 is 1.5 in pixels"),
    "eps twice": (WHOLE.replace("0.1", "8/255, 16/510"), 6, "ε 16/510 is given twice, also as 8/255"),
    "divides by zero": (WHOLE.replace("0.1", "8/0"), 6, "8/0 divides by zero"),
    "no eps": (COMMON + "attacks: {ball: {ball: }}\n", 6, "attacks.ball: has no ε"),
    "ratio": (
        WHOLE.replace("[]", "[{cut: {ratio: 1}}]"),
        4,
        "compressions.dense.1.ratio: 1.0 is outside its range, 0 < r",
    ),
    "choice": (WHOLE.replace("[]", "[{cut: {ratio: .5, of: chanels}}]"), 4, "(did you mean channels?)"),
    "missing parameter": (
        WHOLE.replace("[]", "[cut]"),
        4,
        "compressions.dense.1: compression 'cut' needs ratio: float",
    ),
    "empty axis": (WHOLE.replace("{dense: []}", "{}"), 4, "compressions: is empty"),
    "empty axis of grid": (
        GRIDS % ("spots", "half") + "  - {name: c, dataset: spots, attacks: , compressions: }\n",
        11,
        "a mapping",
    ),
    "empty seeds": (WHOLE + "seeds: []\n", 8, "seeds: is empty"),
    "seed twice": (WHOLE + "seeds: [1, 1]\n", 8, "seed 1 is given twice"),
    "negative seed": (WHOLE + "seeds: [-1]\n", 8, "seeds.1: must be at least 0"),
    "limit": (WHOLE + "limit: {test: 0}\n", 8, "limit.test: must be at least 1, not 0"),
    "unknown plugin": (ATTACKS + "  a: {bal: {}}\n", 8, "attacks.a: unknown attack 'bal'"),
    "unknown parameter": (
        ATTACKS + "  pgd-20: {ball: {stp: 20}}\n",
        8,
        "attacks.pgd-20.stp: unknown parameter of attack 'ball'; it takes steps, restarts, step (did",
    ),
    "two plugins": (ATTACKS + "  a: {ball: , flat: }\n", 8, "must name one attack, not 2: ball, flat"),
    "key beside plugin": (
        ATTACKS + "  a: {ball: , frm: dense}\n",
        8,
        "attacks.a.frm: unknown key beside attack 'ball'",
    ),
    "nothing": (ATTACKS + "  a:\n", 8, "attacks.a: must name one attack, as {NAME: {…}}, not nothing"),
    "nested": ("name: " + "[" * 2000 + "\n", 1, "is nested too deeply"),
    "two documents": ("name: small\n---\nname: b\n", 2, "not YAML: expected a single document"),
    "art without class": (ATTACKS + "  a: {art: {max_iter: 5}}\n", 8, "attacks.a: attack 'art' needs class: 'AutoA"),
    "no plugin": (ATTACKS + "  a: {norm: 2}\n", 8, "attacks.a: names no attack"),
    "norm": (WHOLE + "norm: linf\n", 8, "norm: unknown norm 'linf'; it takes inf, 2, 1 (did you mean inf?)"),
    "norm of plugin": (ATTACKS + "  a: {flat: , norm: 2}\n", 8, "attacks.a: attack 'flat' has no norm 2; it takes inf"),
    "misspelt compression in from": (
        ATTACKS + "  a: {ball: , from: dens}\n",
        8,
        "attacks.a.from: unknown compression 'dens'",
    ),
    "misspelt grid in from": (GRIDS % ("spots", "{grid: aa}"), 10, "grids.b.attacks.sent.from.grid: unknown grid 'aa'"),
    "row not in other grid": (GRIDS % ("spots", "{grid: a}"), 10, "grid 'a' has no compression 'half'"),
    "other dataset in from": (GRIDS % ("{spots: {folder: x}}", "{grid: a, compression: dense}"), 10, "another dataset"),
    "seed in from": (GRIDS % ("spots", "{seed: 7}"), 10, "from.seed: seed 7 is not among the suite's seeds 0"),
    "not YAML": ("name: a: b\n", 1, "not YAML: mapping values are not allowed here"),
    "unclosed": ("name: small\nseeds: [1,\n", 3, "not YAML:"),
    "tab": ("name: small\nlimit:\n\ttest: 3\n", 3, "indent with spaces, not tabs"),
    "empty file": ("# nothing\n", 1, "the file is empty"),
    "not a mapping": ("- name\n", 1, "a suite is a mapping"),
    "not UTF-8": (b"name: small\nsource: \xff\n", 2, "not UTF-8: byte 0xFF"),
    "control character": ("name: small\nsource: \x07\n", 2, "character U+0007 is not allowed"),
    "tag": ("name: !!python/name:os.system x\n", 1, "tag !!python/name:os.system is not understood"),
    "alias in itself": (COMMON + "attacks: &a\n  b: *a\n", 7, "attacks.b: an alias (*) stands inside"),
    "missing required": ("name: small\n", 1, "needs 'dataset'"),
    "missing name": (WHOLE.replace("name: small\n", ""), 1, "needs 'name'"),
    "name of a folder": (WHOLE.replace("small", "../small"), 1, "name: '../small' cannot name a folder"),
    "missing in grid": (GRIDS % ("spots", "half") + "  - {name: c}\n", 11, "grids.c: needs 'dataset'"),
    "grid name twice": (
        GRIDS.replace("name: b", "name: A") % ("spots", "half"),
        7,
        "'A' differs from 'a' at most by case",
    ),
    "axis name": (WHOLE.replace("dense", "a/b"), 4, "'a/b' cannot be a display name"),
    "axis names by case": (ATTACKS + "  A: {ball: }\n  a: {ball: }\n", 9, "'a' differs from 'A' at most by case"),
    "training without before": (WHOLE.replace("before", "after"), 5, "trainings.standard: needs 'before'"),
    "finetune alone": (WHOLE.replace("[]", "[finetune]"), 4, "finetune needs a training"),
    "steps not a list": (
        WHOLE.replace("[]", "{cut: {ratio: .5}}"),
        4,
        "compressions.dense: must be a list, not a mapping",
    ),
    "broken plugin": (ATTACKS + "  a: broken\n", 8, "attacks/broken.py:1: not Python"),
    "default not literal": (
        ATTACKS + "  a: late\n",
        8,
        "attacks/late.py:1: parameter steps: its default default() is not a l",
    ),
    "art class": (ATTACKS + "  a: {art: {class: DeepFol}}\n", 8, "(did you mean DeepFool?)"),
    "art option": (ATTACKS + "  a: {art: {class: SquareAttack, max_itr: 5}}\n", 8, "(did you mean max_iter?)"),
    "art option's type": (
        ATTACKS + "  a: {art: {class: SquareAttack, max_iter: x}}\n",
        8,
        "must be a whole number, not x",
    ),
    "art option of ours": (ATTACKS + "  a: {art: {class: SquareAttack, eps: 1}}\n", 8, "it comes from the suite's eps"),
    "art norm": (ATTACKS + "  a: {art: {class: DeepFool}}\n", 8, "attack 'art' has no norm inf; it takes 2"),
}


@pytest.mark.parametrize("text, line, message", BROKEN.values(), ids=BROKEN)
def test_a_mistake_is_one_line_at_its_place(read, tmp_path, text, line, message):
    with pytest.raises(SuiteError) as caught:
        read(text)
    assert str(caught.value).startswith(f"{tmp_path / 'suite.yaml'}:{line}: ")
    assert message in str(caught.value) and "\n" not in str(caught.value)
    assert caught.value.line == line


def test_a_plugin_found_twice_is_refused_where_it_is_used(folder, tmp_path):
    again = tmp_path / "again" / "attacks" / "ball.py"
    again.parent.mkdir(parents=True)
    again.write_text(PLUGINS["attacks/ball.py"])
    path = tmp_path / "suite.yaml"
    path.write_text(WHOLE)
    with pytest.raises(SuiteError) as caught:
        load(path, Registry([folder, tmp_path / "again"]))
    assert caught.value.line == 7 and str(again) in str(caught.value) and str(folder) in str(caught.value)


@pytest.mark.parametrize("path", ["nowhere.yaml", "."])
def test_a_file_that_cannot_be_read(path, folder):
    with pytest.raises(SuiteError, match=r"cannot be read: (No such file|Is a directory)"):
        load(Path(path), Registry([folder]))


def test_reading_a_suite_imports_no_heavy_library(folder, tmp_path):
    path = tmp_path / "suite.yaml"
    path.write_text(ATTACKS + "  a: {ball: }\n  b: {art: {class: SquareAttack}}\n")
    program = (
        "import sys; from pathlib import Path; from benchmark.suite import Registry, load\n"
        "load(Path(sys.argv[1]), Registry([Path(sys.argv[2])]))\n"
        "print(*{'torch', 'art', 'pandas', 'numpy', 'torchvision'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program, path, folder], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
