"""Rows that are deployed, from the suite to the board: what is replayed, what is judged, and what is made of it."""

import json

import pytest
import torch

from benchmark.outcomes import unpack
from benchmark.stages import workplace
from benchmark.stages.craft import read
from benchmark.stages.deployment import load as deployment
from benchmark.stages.network import load as network
from benchmark.stages.workplace import Workplace
from leaderboard.records import MEASUREMENT
from leaderboard.records import read as lines
from tests.conftest import FIXTURES, Desk, small
from tests.synthetic_records import shown, tables

pytest.importorskip("openvino", reason="openvino is not installed (the extra `deploy` brings it)")

SQUARE = {"art": {"class": "SquareAttack", "max_iter": 5, "nb_restarts": 1}}
SUITE = small(
    eps=[0.05, 0.1, 0.2],
    runtimes=["openvino"],
    replay_eps=[0.2],
    limit={"test": 150},
    compressions={"dense": [], "int8": [{"quantize": {"bits": 8}}], "int4": [{"quantize": {"bits": 4}}]},
    attacks={
        "pgd": {"pgd": {"steps": 3}},
        "transfer": {"pgd": {"steps": 3}, "from": "dense"},
        "square": SQUARE | {"eps": [0.1]},
        "asked": SQUARE | {"eps": [0.1], "on": "openvino"},
        "sent": {"fgsm": {}, "eps": [0.05], "on": "openvino"},
    },
)


@pytest.fixture(scope="module")
def ran(tmp_path_factory) -> tuple[Desk, list[dict]]:
    desk = Desk(tmp_path_factory.mktemp("deployed"))
    done = desk.run(SUITE)
    assert done.status == 0, done.complained
    return desk, [json.loads(line) for line in done.records.splitlines()]


def on(records: list[dict], compression: str, runtime: str | None = "openvino") -> dict[tuple, dict]:
    of = [record for record in records if (record["compression"], record["runtime"]) == (compression, runtime)]
    return {(record["attack"], record["eps"]): record for record in of}


def test_what_is_deployed_and_what_it_faces(ran):
    _, records = ran
    replayed = {(attack, eps) for attack in ("pgd", "transfer") for eps in (0.1, 0.2)}
    for compression, precision in (("dense", "fp32"), ("int8", "int8")):
        found = on(records, compression)
        assert found.keys() == replayed | {("asked", 0.1), ("sent", 0.05)}
        for (attack, _), record in found.items():
            assert record["deployed"]["precision"] == precision
            assert record["deployed"]["direct"] == (attack == "asked")
            assert record["mode"] == ("decide" if attack == "asked" else "examples")
    assert not on(records, "int4")
    own = {(attack, eps) for attack in ("pgd", "transfer") for eps in (0.05, 0.1, 0.2)} | {("square", 0.1)}
    assert on(records, "int8", None).keys() == on(records, "int4", None).keys() == own


def test_transferred_examples_are_not_crafted_twice(ran):
    _, records = ran
    for compression in ("dense", "int8"):
        sent, own = on(records, compression)["transfer", 0.1], on(records, compression, None)["transfer", 0.1]
        assert sent["keys"]["craft"] == own["keys"]["craft"]
        assert sent["deployed"]["twin"]["robust"] == own["outcomes"]["robust"]


def test_a_record_says_what_artifact_and_network_say_of_the_stored_examples(ran):
    desk, records = ran
    place = Workplace(desk.store, desk_registry())
    data = place.data(desk.plan(SUITE)[0].grids[0].dataset, test_limit=150)
    record = on(records, "int8")["pgd", 0.2]
    artifact = deployment(place, record["deployed"]["key"]).module
    twin = network(place, record["keys"]["network"]).module
    images, labels = data.test.pixels(), data.test.labels
    attacked = read(place, record["keys"]["craft"], 0)
    assert float((attacked - images).abs().max()) == pytest.approx(0.2, abs=1e-5)

    def right(module, x):
        with torch.no_grad():
            logits = module(x)
        others = logits.clone()
        others[torch.arange(len(x)), labels] = -torch.inf
        return logits[torch.arange(len(x)), labels] > others.amax(1)

    for module, clean, robust in (
        (artifact, record["outcomes"]["clean"], record["outcomes"]["robust"]),
        (twin, record["deployed"]["twin"]["clean"], record["deployed"]["twin"]["robust"]),
    ):
        assert unpack(clean, 150) == right(module, images).tolist()
        assert unpack(robust, 150) == (right(module, images) & right(module, attacked)).tolist()
    with torch.no_grad():
        same = artifact(images).argmax(1) == twin(images).argmax(1)
    assert record["deployed"]["agree"] == int(same.sum()) >= 147
    assert record["clean_correct"] == int(right(artifact, images).sum())
    files = desk.store.folder(record["deployed"]["key"]).glob("network.*")
    assert record["deployed"]["bytes"] == sum(path.stat().st_size for path in files)


def desk_registry():
    from benchmark.plugins import Registry

    return Registry([FIXTURES])


def test_the_boards_figures_are_those_of_the_outcomes(ran):
    desk, records = ran
    page = (desk.folder / "out" / "leaderboard.md").read_text().replace("\u00a0", " ")
    table = next(table for table in tables(page) if "Clean agreement" in table[0])
    assert [row["Compression"] for row in table] == ["dense", "int8"]
    for row in table:
        found = on(records, row["Compression"])
        tried = [record for (_, eps), record in found.items() if eps <= 0.1]
        stood = [all(image) for image in zip(*(unpack(r["outcomes"]["robust"], 150) for r in tried), strict=True)]
        assert row["Robust accuracy (deployed) @ 0.1"] == shown(sum(stood), n=150)
        fair = [record for record in tried if not record["deployed"]["direct"]]
        twin = zip(*(unpack(record["deployed"]["twin"]["robust"], 150) for record in fair), strict=True)
        artifact = zip(*(unpack(record["outcomes"]["robust"], 150) for record in fair), strict=True)
        gap = (sum(map(all, twin)) - sum(map(all, artifact))) / 150
        assert row["Twin gap @ 0.1"].split(" ")[0] == f"{100 * gap:+.1f}".replace("-", "−").replace("+0.0", "0.0")
        assert row["Clean agreement"] == shown(tried[0]["deployed"]["agree"], n=150)
        assert row["asked @ 0.1"] == shown(found["asked", 0.1]["robust_correct"], n=150)
        assert "ms" in row["Latency, 1 image"] and "MB" in row["Peak memory"]
    assert "×" in table[1]["Latency, 64 images"] and "×" not in table[0]["Latency, 64 images"]
    assert "sent @ 0.05" in table[0] and "Robust accuracy (deployed) @ 0.2" in table[0]
    assert "int8: " in page and "_I8 × " in page


def test_latencies_are_measurements_and_no_part_of_records(ran):
    desk, records = ran
    (measured,) = (
        line["latency"] for line in lines(desk.folder / "out" / "measurements.jsonl", MEASUREMENT) if line["latency"]
    )
    made = {record["deployed"]["key"] for record in records if record["deployed"]}
    assert {one["deployment"] for one in measured["artifacts"]} == made and measured["dense"] in made
    for one in measured["artifacts"]:
        assert one["memory"] > 10e6
        for batch in ("1", "64"):
            assert 0 < one[batch]["p10"] <= one[batch]["median"] <= one[batch]["p90"]
            assert one[batch]["runs"] >= len(one[batch]["rounds"]) > 5
    assert "latency" not in json.dumps(records)


def test_a_second_run_elsewhere_gives_the_same_records(ran, desk):
    _, records = ran
    again = desk.run(SUITE)
    assert [json.loads(line) for line in again.records.splitlines()] == records


def test_an_artifact_that_is_not_its_network_makes_the_row_suspect(desk):
    suite = small(
        runtimes=["openvino"],
        limit={"test": 150},
        compressions={"dense": [], "two-faced": ["other_when_exported"]},
    )
    done = desk.run(suite)
    assert done.status == 0, done.complained
    board = tables((done.out / "leaderboard.md").read_text())[0]
    assert [row["Verdict"] for row in board] == [
        "unverified (verify: none)",
        "suspect (twin and artifact differ on openvino)",
    ]


def test_an_artifact_that_is_not_in_integers_is_a_hole(desk):
    done = desk.run(small(runtimes=["openvino"], limit={"test": 50}, compressions={"int8": ["claims_int8"]}))
    assert done.status == 1 and "layers do not run in int8" in done.complained
    page = (done.out / "leaderboard.md").read_text()
    assert "- tiny / int8" in page.replace("main", "tiny") and "on openvino" in page.split("## Holes")[1]
    assert [json.loads(line)["runtime"] for line in done.records.splitlines()] == [None]


def test_without_the_runtime_a_suite_is_refused_before_anything_runs(desk, monkeypatch):
    monkeypatch.setattr(workplace, "find_spec", lambda name: None)
    done = desk.run(small(runtimes=["onnxruntime"]))
    assert done.status == 2
    assert done.complained.startswith("error: runtime onnxruntime: onnxruntime and onnx cannot be found; install ")
    assert "pip install 'leanarmor[deploy]'" in done.complained and done.complained.count("\n") == 1
    assert not list(desk.store.root.glob("artifacts/*"))
