"""The README's own suite, mistake and attack do what the README says."""

import re

import numpy
import torch
from sklearn.datasets import load_digits

from benchmark import run
from benchmark.plugins import Registry
from benchmark.source import HOME
from benchmark.suite import load
from tests.small_networks import classifier, digit_images, fresh

TEXT = (HOME / "README.md").read_text()
SUITE, DEPLOYED, VERIFIED = re.findall(r"```yaml\n(.*?)```", TEXT, re.S)
MODEL, ATTACK, FROM_ART = re.findall(r"```python\n(.*?)```", TEXT, re.S)
SMALL = {
    "dataset: fashion_mnist": "dataset: digits",
    "train: 10000, test: 1000": "train: 200, test: 40",
    "seeds: [0, 1]": "seeds: [0]",
    "steps: 20": "steps: 2",
}


def written(tmp_path):
    """The README's two files, cut down to the size of a test; the arguments that run them."""
    text = SUITE
    for whole, small in SMALL.items():
        assert whole in text
        text = text.replace(whole, small)
    (tmp_path / "my-plugins" / "attacks").mkdir(parents=True)
    (tmp_path / "my-plugins" / "attacks" / "noise.py").write_text(ATTACK)
    (tmp_path / "mine.yaml").write_text(text + "  noise: noise\n")
    return [str(tmp_path / "mine.yaml"), "--plugins", str(tmp_path / "my-plugins"), "--quiet"]


def test_the_suite_and_the_attack_run(tmp_path, capsys):
    arguments = [*written(tmp_path), "--store", str(tmp_path / "store"), "--out", str(tmp_path / "out")]
    assert run.main(arguments) == 0, capsys.readouterr().err
    board = (tmp_path / "out" / "leaderboard.md").read_text()
    assert all(name in board for name in ("in-two-steps", "compact", "transfer", "deepfool", "noise"))
    assert "Holes" not in board.split("## Legend")[0]


def test_a_network_of_ones_own_runs_from_its_weights_and_again_from_others(tmp_path, capsys):
    (tmp_path / "my-plugins" / "models").mkdir(parents=True)
    (tmp_path / "my-plugins" / "models" / "mynet.py").write_text(MODEL)
    own = {}
    exec(MODEL, own)
    suite = (
        "name: own\nseeds: [0]\neps: [0.1]\nlimit: {train: 100, test: 40}\ndataset: digits\n"
        "model: {mynet: {file: net.pt}}\ncompressions: {dense: []}\ntrainings: {as it is: {before: none}}\n"
        "attacks: {fgsm: fgsm}\n"
    )
    (tmp_path / "own.yaml").write_text(suite)
    places = ["--store", str(tmp_path / "store"), "--out", str(tmp_path / "out")]
    for _ in range(2):
        torch.save(own["MyNet"](10, 64).state_dict(), tmp_path / "net.pt")
        assert run.main([str(tmp_path / "own.yaml"), "--plugins", str(tmp_path / "my-plugins"), *places]) == 0
        assert "4 stages run, 0 already done" in capsys.readouterr().out


def test_the_attacks_are_used_from_art():
    estimator = classifier(fresh())
    estimator.optimizer = torch.optim.SGD(estimator.model.parameters(), lr=0.1)
    images, labels = digit_images(60)
    given = {"classifier": estimator, "x": images.numpy(), "y": torch.eye(10)[labels].numpy()}
    before = [tensor.clone() for tensor in estimator.model.parameters()]
    exec(FROM_ART.replace("max_iter=20", "max_iter=2").replace(".fit(x, y)", ".fit(x, y, nb_epochs=1)"), given)
    assert given["examples"].shape == (60, 1, 8, 8) and abs(given["examples"] - given["x"]).max() <= 8 / 255 + 1e-6
    assert not any(map(torch.equal, before, estimator.model.parameters()))


def test_the_mistake_is_told_as_quoted(tmp_path, capsys):
    path = tmp_path / "mine.yaml"
    path.write_text(SUITE.replace("pgd-20: {pgd: {steps", "pgd-20: {pgd: {step"))
    assert run.main([str(path)]) == 2
    (quoted,) = re.findall(r"^    (mine\.yaml:.*)$", TEXT, re.M)
    assert capsys.readouterr().err == f"error: {tmp_path}/{quoted}\n"


def test_what_is_said_of_deployments_can_be_read(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(SUITE.split("attacks:")[0].replace("[4/255, 8/255]", "[0.05, 0.1]") + DEPLOYED)
    (grid,) = load(path, Registry()).grids
    assert grid.runtimes == ("openvino", "onnxruntime") and grid.headline_of("inf") == 0.1
    assert grid.replay_eps == (("inf", 0.05),) and grid.attacks[1].runtime == "openvino"


def test_what_is_said_of_checks_can_be_read(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(SUITE + VERIFIED)
    assert [grid.verify for grid in load(path, Registry()).grids] == ["full"]


def test_an_epsilon_of_a_training_that_no_pixel_has_is_refused(tmp_path, capsys):
    path = tmp_path / "mine.yaml"
    path.write_text(SUITE.replace("pgd_at: {epochs: 3, eps: 8/255", "pgd_at: {epochs: 3, eps: 8"))
    assert run.main([str(path)]) == 2
    refused = "eps: is 8 in pixels, more than a pixel's whole range [0, 1] (did you mean 8/255?)"
    assert refused in capsys.readouterr().err


def test_the_test_images_of_digits_are_those_that_it_says():
    (indices,) = re.findall(r"`(numpy\.argsort\(load_digits.*?)`", TEXT)
    test = eval(indices, {"numpy": numpy, "load_digits": load_digits})
    images = numpy.rint(load_digits().images[numpy.sort(test)] * (255 / 16)).astype("uint8")
    held = Registry().find("dataset", "digits").load().dataset(())
    assert numpy.array_equal(held.test_images.numpy()[:, 0], images)


def test_a_quantisation_without_a_width_is_refused_before_anything_runs(tmp_path, capsys):
    path = tmp_path / "mine.yaml"
    path.write_text(SUITE.replace("{quantize: {bits: 8}}", "{quantize: {}}"))
    assert run.main([str(path)]) == 2
    assert "is given no width; give activations or bits or" in capsys.readouterr().err


def test_every_suite_of_the_repository_is_sound_and_has_its_line():
    suites = sorted((HOME / "suites").glob("*.yaml"))
    assert {"quickstart", "fashion", "paper"} <= {load(path, Registry()).path.stem for path in suites}
    lines = re.findall(r"^\| \[(\S+)\]\((\S+)\) \|.*\| `python -m benchmark.run (\S+)( --data DIR)?` \|$", TEXT, re.M)
    assert sorted(name for name, *_ in lines) == sorted(path.stem for path in suites)
    for name, link, file, data in lines:
        assert link == file == f"suites/{name}.yaml"
        folders = [
            grid.dataset for grid in load(HOME / file, Registry()).grids if grid.dataset.plugin == "image_folder"
        ]
        assert bool(data) == bool(folders)
