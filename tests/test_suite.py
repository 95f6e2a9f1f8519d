"""Suites: what is written is what is read, and every mistake is one line that names its place."""

import subprocess
import sys
from pathlib import Path

import pytest

from benchmark.errors import SuiteError
from benchmark.plugins import Registry
from benchmark.suite import load
from benchmark.types import BEFORE, Epsilon, Limit, Recipe, Source, repeated
from tests.suite_texts import ATTACKS, BROKEN, COMMON, WHOLE

PLUGINS = {
    "attacks/ball.py": '''"""An attack in a ball."""
from typing import Annotated
import a_library_that_is_not_installed
NORMS = ("inf", "2")
def attack(estimator, budget, *, steps: Annotated[int, "steps >= 1"] = 20, restarts: int = 1,
           step: Annotated[float | None, "step > 0", "pixels"] = None):
    return budget.mode
''',
    "attacks/flat.py": 'def attack(estimator, budget): "No NORMS: inf alone."',
    "attacks/near.py": "MINIMUM_NORM = True\ndef attack(estimator, budget): pass",
    "trainings/rest.py": "def train(estimator, data, context): pass",
    "trainings/frugal.py": "def train(estimator, data, context, *, epochs: int = 2, budget: float = 1.0): pass",
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


def test_an_attack_may_have_a_space_of_its_own(read):
    text = COMMON + "eps: [0.1]\nattacks:\n  plain: {ball: {step: 0.02}}\n"
    text += "  paper: {ball: {step: 0.02}, eps_space: {normalised: 0.5}}\n  pixel: {ball: , eps_space: pixels}\n"
    plain, paper, pixel = read(text).grids[0].attacks
    assert (plain.eps_space, paper.eps_space, pixel.eps_space) == (None, 0.5, None)
    assert plain.eps == (Epsilon(0.1, 0.1, "0.1"),) and paper.eps == (Epsilon(0.05, 0.1, "0.1"),)
    assert (plain.recipe.kwargs["step"], paper.recipe.kwargs["step"]) == (0.02, 0.01)
    plain, paper, pixel = read(text + "eps_space: {normalised: 0.25}\n").grids[0].attacks
    assert [one.eps[0].value for one in (plain, paper, pixel)] == [0.025, 0.05, 0.1]


def test_examples_may_be_stopped_at_the_boundary_where_others_judge(read):
    text = ATTACKS + "  a: {ball: , from: dense, stop: boundary}\n  b: {ball: , from: dense}\n"
    assert [attack.boundary for attack in read(text).grids[0].attacks] == [True, False]
    text = ATTACKS.replace("attacks:", "runtimes: [openvino]\nattacks:") + "  a: {ball: , stop: boundary}\n"
    assert read(text).grids[0].attacks[0].boundary  # its artifact judges


def test_a_training_of_a_compressed_network_may_ask_for_the_dense_ones_budget(read):
    steps = "[{finetune: {before: {budget: equal}}}, {finetune: {plain: {epochs: 3, budget: equal}}}]"
    suite = read(WHOLE.replace("[]", steps).replace("before: plain", "before: plain, after: {plain: {budget: equal}}"))
    (training,), (compression,) = suite.grids[0].trainings, suite.grids[0].compressions
    again, own = (repeated(step, training.before) for step in compression.steps)
    assert again == Recipe("training", "plain", (("budget", "equal"), ("epochs", 2), ("note", None)))
    assert own.kwargs == {"budget": "equal", "epochs": 3, "note": None} and training.after.kwargs["budget"] == "equal"
    frugal = read(WHOLE.replace("[]", "[{finetune: {frugal: {budget: 0.5}}}]")).grids[0].compressions[0].steps[0]
    assert frugal.kwargs == {"budget": 0.5, "epochs": 2}  # a training's own parameter comes first


def test_new_weights_may_be_trained_by_a_step_or_after(read):
    later = WHOLE.replace("[]", "[reinitialise, {cut: {ratio: 0.5}}, {finetune: plain}]")
    after = WHOLE.replace("[]", "[reinitialise]").replace("before: plain", "before: none, after: plain")
    for text in (later, after):
        assert read(text).grids[0].compressions[0].steps[0].plugin == "reinitialise"


def test_aliases_and_merge_keys(read):
    suite = read(
        COMMON + "attacks:\n  a: &a {ball: {steps: 3}, norm: 2, eps: 0.1}\n  b: {<<: *a, norm: inf}\n  c: *a\n"
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


@pytest.mark.parametrize("text, line, message", BROKEN.values(), ids=BROKEN)
def test_a_mistake_is_one_line_at_its_place(read, tmp_path, text, line, message):
    with pytest.raises(SuiteError) as caught:
        read(text)
    assert str(caught.value).startswith(f"{tmp_path / 'suite.yaml'}:{line}: ")
    assert message in str(caught.value) and "\n" not in str(caught.value)
    assert caught.value.line == line


@pytest.mark.parametrize("eps, space", [("300", "1"), ("0.5", "3")])
def test_255ths_are_not_suggested_where_they_would_not_do(read, eps, space):
    with pytest.raises(SuiteError) as caught:
        read(WHOLE.replace("0.1", eps) + f"eps_space: {{normalised: {space}}}\n")
    assert str(caught.value).endswith("of a pixel (norm inf)")


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
