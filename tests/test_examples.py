"""The examples beside a board, and the features of a row: what a run has stored, seen again."""

import base64
import json
import shutil

import numpy as np
import pytest

from benchmark import features
from benchmark.data import prepare
from leaderboard import render
from leaderboard.records import EXAMPLE, read
from plugins.datasets import digits
from tests.conftest import FIXTURES, Desk, small

ROW = "prune-50/standard+ft"


def pixels(text: str, shape: list[int]) -> np.ndarray:
    return np.frombuffer(base64.b64decode(text), np.uint8).reshape(shape).astype(float)


def test_examples_are_the_first_images_beside_what_the_first_attack_made_of_them(finished: Desk):
    lines = read(finished.folder / "out" / "examples.jsonl", EXAMPLE)
    rows = {(line["compression"], line["training"]) for line in lines}
    assert len(rows) == 4 and len(lines) == 4 * 4
    assert {(line["attack"], line["eps"], line["seed"]) for line in lines} == {("fgsm", 0.1, 0)}
    test = prepare(digits.dataset(()), None, None).test
    for line in lines:
        clean, attacked = (pixels(line[name], line["shape"]) for name in ("clean", "attacked"))
        assert np.array_equal(clean, test.images[line["image"]].numpy())
        assert line["label"] == str(int(test.labels[line["image"]]))
        assert 0 < np.abs(attacked - clean).max() <= 255 * 0.1 + 0.5


def test_the_page_of_a_run_shows_them(finished: Desk):
    text = (finished.folder / "out" / "leaderboard.html").read_text()
    data = json.loads(text.split('id="data">')[1].split("</script>")[0])
    shown = data["examples"][data["grids"][0]["name"]]
    assert set(shown) == {row["key"] for row in data["grids"][0]["rows"]}
    fates = {example["says"].rpartition(": ")[2] for examples in shown.values() for example in examples}
    assert fates <= {"stands", "broken", "wrong without an attack"} and "broken" in fates


@pytest.fixture
def seen(finished: Desk, tmp_path, capsys):
    """The features of a row of the tiny suite, and the folder that they lie in."""
    out = tmp_path / "out"
    shutil.copytree(finished.folder / "out", out)
    places = ["--out", out, "--store", finished.folder / "store", "--plugins", FIXTURES, "--device", "cpu"]
    arguments = [str(part) for part in (finished.folder / "tiny.yaml", *places, "--row", ROW)]
    assert features.main(arguments) == 0, capsys.readouterr().err
    return json.loads((out / "features.json").read_text()), out


def test_features_of_the_networks_on_the_way_to_a_row(seen, finished: Desk):
    found, _ = seen
    assert [network["name"] for network in found["networks"]] == ["dense", "compressed", "fine-tuned"]
    assert (found["row"], found["attack"], found["eps"]) == (ROW.split("/"), "fgsm", "0.1")
    test = prepare(digits.dataset(()), None, None).test
    for network in found["networks"]:
        image, *maps = network["maps"]
        first = test.images[0, 0].numpy().astype(float)
        assert np.corrcoef(pixels(image["clean"], image["shape"]).ravel(), first.ravel())[0, 1] > 0.999
        assert maps and all(
            max(base64.b64decode(one["clean"] + "") + base64.b64decode(one["attacked"])) == 255 for one in maps
        )
        points = np.array(network["clean"]["points"] + network["attacked"]["points"])
        assert points.shape == (240, 2) and np.abs(points.mean(0)).max() < 1e-3  # principal components: centred, …
        assert (
            abs(np.corrcoef(points.T)[0, 1]) < 1e-3 and points.var(0)[0] >= points.var(0)[1]
        )  # … uncorrelated, ordered
    # the last network is the row's own: what it has right is what the board counts
    lines = [json.loads(line) for line in (finished.folder / "out" / "records.jsonl").read_text().splitlines()]
    row = next(line for line in lines if [line["compression"], line["training"]] == found["row"])
    right = found["networks"][2]["clean"]["right"]
    assert abs(np.mean(right) - row["clean_correct"] / row["n"]) < 0.15


def test_features_of_a_run_with_a_limit(desk: Desk, capsys):
    assert desk.run(small(), "--limit", "train=100,test=30").status == 0
    places = ["--out", desk.folder / "out", "--store", desk.folder / "store", "--plugins", FIXTURES, "--device", "cpu"]
    arguments = [str(part) for part in (desk.folder / "tiny.yaml", *places, "--row", "dense/standard")]
    assert features.main(arguments) == 2 and "has not been run" in capsys.readouterr().err
    assert features.main([*arguments, "--limit", "train=100,test=30"]) == 0
    assert len(json.loads((desk.folder / "out" / "features.json").read_text())["labels"]) == 30
    assert features.main([*arguments, "--limit", "tests=5"]) == 2
    assert "did you mean test?" in capsys.readouterr().err


def test_features_become_pictures_of_the_board(seen, finished: Desk):
    _, out = seen
    assert render.main([str(finished.folder / "tiny.yaml"), "--out", str(out), "--plugins", str(FIXTURES)]) == 0
    assert (out / "figures" / "1-features.svg").exists() and (out / "figures" / "1-embedding.svg").exists()
    assert "(figures/1-embedding.svg)" in (out / "leaderboard.md").read_text()


def test_features_that_cannot_be_had_are_refused_in_one_line(finished: Desk, desk: Desk, capsys):
    suite = str(finished.folder / "tiny.yaml")
    stores = {"run": str(finished.folder / "store"), "empty": str(desk.folder / "store")}
    for store, more, message in (
        ("run", ["--row", "no/such"], "--row no/such: grid main has no such row"),
        ("run", ["--grid", "none"], "--grid none: the suite has no such grid"),
        ("empty", [], f"row {ROW}: has not been run"),
    ):
        arguments = [suite, "--store", stores[store], "--plugins", str(FIXTURES), "--out", str(desk.folder), *more]
        assert features.main(arguments) == 2
        error = capsys.readouterr().err
        assert message in error and error.count("\n") == 1


def test_a_damaged_file_of_features_is_named(desk: Desk, capsys, finished: Desk):
    shutil.copytree(finished.folder / "out", desk.folder / "out")
    (desk.folder / "out" / "features.json").write_text('{"grid": "main"}')
    arguments = [str(finished.folder / "tiny.yaml"), "--out", str(desk.folder / "out"), "--plugins", str(FIXTURES)]
    assert render.main(arguments) == 2
    assert "features.json: is not what benchmark.features writes" in capsys.readouterr().err
