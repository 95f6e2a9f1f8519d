"""Deployed rows on a board, from records that no run has made: gaps and their verdict, sizes, latencies, holes."""

import csv
import io
from dataclasses import replace

import pytest

from benchmark import outcomes
from benchmark.types import Attack, Compression, Recipe
from leaderboard import deployed as deployments
from leaderboard import exports, records
from leaderboard.match import places
from leaderboard.table import build
from tests.synthetic_checks import all_checks
from tests.synthetic_records import LABELS, LARGE, PGD, SMALL, grid, page, record, shown, suite, tables

QUANTIZE = Recipe("compression", "quantize", (("bits", 8),))
SQUARE = Recipe("attack", "square", (("queries", 5),))
OWN = grid(
    compressions=(Compression("dense"), Compression("int8", (QUANTIZE,), "int8"), Compression("int4", (PGD,), None)),
    attacks=(
        Attack("pgd-20", PGD, "inf", (SMALL, LARGE)),
        Attack("square", SQUARE, "inf", (SMALL,), runtime="openvino", black_box=True),
    ),
    runtimes=("openvino",),
)
TIMES = {"p10": 0.001, "median": 0.002, "p90": 0.003, "runs": 40, "rounds": [0.002] * 20}


def pack(bits: str) -> str:
    return outcomes.pack(bit == "1" for bit in bits)


def artifact(of, cell, robust: str, twin: str | None, clean="1111111100", twin_clean="1111111100", **changes) -> dict:
    """A record of a deployment; outcomes as texts of 0 and 1."""
    made = {
        "key": f"{cell[1]} {cell[2]} {cell[3]}",
        "precision": "int8" if cell[1] == "int8" else "fp32",
        "bytes": 300_000 if cell[1] == "int8" else 1_000_000,
        "kernels": {"conv_I8": 2},
        "agree": 9,
        "direct": twin is None,
        "twin": {"clean": pack(twin_clean), "robust": twin and pack(twin)},
    }
    mode = "decide" if twin is None else "examples"
    return record(of, cell, robust, clean, runtime="openvino", mode=mode, deployed=made) | changes


def whole(of, robust="1111110000", twin="1111110000", asked="1111011111") -> list[dict]:
    """Every record of a suite; `asked`: what Square leaves of the artifact."""
    made = [record(of, cell, robust) for cell in places(of, of.grids[0])]
    for cell in places(of, of.grids[0], "openvino"):
        direct = cell[4] == "square"
        left = "".join(str(int(a) & int(b)) for a, b in zip(asked if direct else robust, "1111111100", strict=True))
        made.append(artifact(of, cell, left, None if direct else twin))
    return made


def deployed(text: str) -> list[dict[str, str]]:
    return next(table for table in tables(text) if "Precision" in table[0])


def measured(*keys: str, busy=(0.0, 0.1), dense=None, faster=1.0) -> dict:
    artifacts = []
    for number, key in enumerate(keys):
        own = 0.002 / faster if number else 0.002
        times = TIMES | {"median": own, "rounds": [own] * 20}
        artifacts.append({"deployment": key, "memory": 80_000_000, "1": times, "64": dict(times)})
    latency = {"runtime": "openvino", "version": "1", "threads": 2, "busy": list(busy), "dense": dense}
    line = {"stage": "latency", "key": "k", "label": "l", "seconds": 1.0, "joules": None, "bytes": 10, "machine": {}}
    return line | {"latency": latency | {"artifacts": artifacts}}


def test_a_row_beside_its_artifact():
    of = suite(OWN, seeds=(0,))
    dense, _, int8, _ = deployed(page(of, whole(of)))
    assert (dense["Precision"], int8["Precision"]) == ("fp32", "int8")
    assert int8["Clean agreement"] == shown(9) and int8["Clean accuracy"] == shown(8)
    assert int8["Robust accuracy (twin) @ 0.05"] == shown(6)
    assert int8["square @ 0.05"] == shown(7)
    assert int8["Robust accuracy (deployed) @ 0.05"] == shown(5)  # what both attacks leave, image by image
    assert int8["Twin gap @ 0.05"].startswith("0.0 [−")
    assert (dense["Artifact"], int8["Artifact"]) == ("1 MB", "300 kB (30 %)")
    assert int8["Latency, 1 image"] == int8["Peak memory"] == "—"


def test_an_unfinished_union_is_not_shown():
    of = suite(OWN, seeds=(0,))
    lines = [line for line in whole(of) if not (line["compression"] == "int8" and line["attack"] == "square")]
    _, _, int8, _ = deployed(page(of, lines))
    assert int8["Robust accuracy (deployed) @ 0.05"] == int8["Twin gap @ 0.05"] == "—"
    assert "- 2 cells have not been run yet" in page(of, lines)


@pytest.mark.parametrize(
    "n, difference, differs",
    [(1000, 0, False), (1000, 20, False), (1000, 40, True), (1000, -40, True), (200, 8, False)],
)
def test_twin_and_artifact_differ_where_more_than_a_point_is_certain(n, difference, differs):
    """`difference`: of n images, how many more the twin withstands than the artifact."""
    of = suite(OWN, seeds=(0,))
    few, more = (("1" * stood).ljust(n, "0") for stood in (n // 2, n // 2 + abs(difference)))
    twin, own = (more, few) if difference > 0 else (few, more)
    lines = []
    for cell in places(of, OWN, "openvino"):
        line = artifact(of, cell, "1" * 10, None if cell[4] == "square" else "1" * 10, "1" * 10)
        clean, asked = pack("1" * n), cell[4] == "square"
        line["deployed"]["twin"] = {"clean": clean, "robust": None if asked else pack(twin)}
        right = pack("0" * n if asked else own)  # what was made against the artifact says nothing of the twin
        lines.append(line | {"n": n, "clean_correct": n, "outcomes": {"clean": clean, "robust": right}})
    for row in deployments.build(of, OWN, lines, "openvino").rows:
        ((gap,),) = row.gaps.values()
        assert gap.difference == difference / n and row.differs == gap.differs == differs
        assert gap.interval.low < difference / n < gap.interval.high


def test_a_difference_on_clean_images_or_on_a_single_seed_is_enough():
    of = suite(OWN)
    lines = whole(of)
    rows = {row.name: str(row.verdict) for row in build(of, lines).tables[0].rows}
    assert set(rows.values()) == {"unverified (verify: none)"}
    for line in lines:
        line |= {"n": 1000, "clean_correct": 1000, "outcomes": dict.fromkeys(("clean", "robust"), pack("1" * 1000))}
    for line in (line for line in lines if line["runtime"]):
        other = (line["compression"], line["training"], line["seed"]) == ("int8", "plain", 1)
        right = pack("1" * (900 if other else 1000) + "0" * (100 if other else 0))
        line |= {"outcomes": {"clean": right, "robust": right}}
        line["deployed"]["twin"] = {"clean": pack("1" * 1000), "robust": None if line["deployed"]["direct"] else right}
    rows = {row.name: str(row.verdict) for row in build(of, lines).tables[0].rows}
    assert rows.pop(("int8", "plain")) == "suspect (twin and artifact differ on openvino)"
    assert set(rows.values()) == {"unverified (verify: none)"}


def test_what_was_replayed_counts_for_the_network_too():
    """What breaks a network breaks it, whomever it was made for: 6 images survive one craft, 5 of them the other."""
    of = suite(OWN, seeds=(0,))
    before = build(of, whole(of, robust="1111110000", twin="1111110000")).tables[0]
    after = build(of, whole(of, robust="1111110000", twin="1110111111")).tables[0]
    for table, robust in ((before, 0.6), (after, 0.5)):
        shares = {row.name: row.accuracy[table.unions[0]].mean for row in table.rows}
        assert shares["int8", "plain"] == robust and shares["int4", "plain"] == 0.6  # which is not deployed


def test_a_board_of_artifacts_alone():
    only = grid(compressions=OWN.compressions, attacks=OWN.attacks[1:], runtimes=("openvino",))
    of = suite(only, seeds=(0,))
    lines = [artifact(of, cell, "1111011100", None) for cell in places(of, only, "openvino")]
    text = page(of, lines)
    assert [row["square @ 0.05"] for row in deployed(text)] == [shown(7)] * len(deployed(text))
    assert "Not deployed: int4" in text


def test_examples_that_stop_at_the_boundary_break_the_artifact_but_are_no_gap():
    of = suite(OWN, seeds=(0,))
    lines = [line | {"boundary": line["attack"] == "pgd-20"} for line in whole(of, robust="1111100000")]
    _, _, int8, _ = deployed(page(of, lines))
    assert int8["Twin gap @ 0.05"] == "—" and int8["Robust accuracy (deployed) @ 0.05"] == shown(4)


def test_an_attack_for_artifacts_that_stopped_at_the_boundary_is_labelled():
    only = replace(OWN, attacks=(*OWN.attacks, Attack("sent", PGD, "inf", (SMALL,), None, "openvino", boundary=True)))
    of = suite(only, seeds=(0,))
    lines = [line | {"boundary": line["attack"] == "sent"} for line in whole(of)]
    text = page(of, lines)
    assert "sent (boundary) @ 0.05" in deployed(text)[0] and "*(boundary)*" in text


def test_latency_beside_the_dense_artifact_and_a_warning_from_a_busy_machine():
    of = suite(OWN, seeds=(0,))
    line = measured("dense plain 0", "int8 plain 0", dense="dense plain 0", faster=4.0)
    text = page(of, whole(of), [line])
    dense, _, int8, tuned = deployed(text)
    assert dense["Latency, 1 image"] == "2 ms" and dense["Peak memory"] == "80 MB"
    assert int8["Latency, 64 images"] == "0.5 ms (4.00 × [4.00, 4.00])"
    assert tuned["Latency, 1 image"] == "—"  # nobody has measured it
    assert "Latency with 2 threads." in text and "Not to be relied on" not in text
    assert "Not to be relied on: up to 1.5 cores" in page(of, whole(of), [measured("dense plain 0", busy=(0.0, 1.5))])


def test_the_interval_of_a_ratio_holds_its_median():
    of = suite(OWN, seeds=(0,))
    line = measured("dense plain 0", "int8 plain 0", dense="dense plain 0")
    line["latency"]["artifacts"][1]["1"]["rounds"] = [0.002 / (1 + number) for number in range(20)]
    _, _, int8, _ = deployed(page(of, whole(of), [line]))
    assert int8["Latency, 1 image"] == "2 ms (10.50 × [6.00, 15.00])"  # the 6th and the 15th of 20


def test_holes_of_deployments_say_where():
    of = suite(OWN, seeds=(0,))
    lost = [line for line in whole(of) if line["runtime"] and line["compression"] == "int8"]
    kept = [line for line in whole(of) if line not in lost]
    holes = [
        {name: line[name] for name in records.CELL} | {"check": None, "reason": "failed: no integers"} for line in lost
    ]
    text = page(of, kept, holes=holes)
    assert "- digits / int8 / plain on openvino, seed 0, every attack: failed: no integers\n" in text
    assert deployed(text)[2]["Clean accuracy"] == "—"
    assert f"Incomplete: 4 of {len(kept) + len(lost)} cells" in text


def test_records_of_deployments_are_checked_and_are_lines_of_the_csv(tmp_path):
    of = suite(OWN, seeds=(0,))
    lines = whole(of)
    records.write(tmp_path / "records.jsonl", lines)
    assert len(records.read(tmp_path / "records.jsonl")) == len(lines)
    read = list(csv.DictReader(io.StringIO(exports.csv(lines))))
    asked = [one for one in read if (one["attack"], one["compression"]) == ("square", "int8")]
    assert {one["runtime"] for one in asked} == {"openvino"} and len(asked) == 2
    assert (asked[0]["artifact_bytes"], asked[0]["agree"], asked[0]["direct"]) == ("300000", "9", "True")
    assert (asked[0]["twin_clean_correct"], asked[0]["twin_robust_correct"]) == ("8", "")
    for change, wrong in (
        ({"runtime": None}, "deployed: an object if, and only if, there is a runtime"),
        ({"deployed": lines[-1]["deployed"] | {"agree": 11}}, "deployed.agree: 11 is more than n, 10"),
        ({"deployed": lines[-1]["deployed"] | {"speed": 1}}, "deployed.speed: unknown field"),
        ({"deployed": lines[-1]["deployed"] | {"direct": False}}, "deployed.twin.robust: null if, and only if"),
    ):
        assert wrong in records.problem(lines[-1] | change)


def test_an_attack_for_artifacts_is_no_part_of_the_networks_union():
    of = suite(OWN, seeds=(0,))
    (table,) = build(of, whole(of)).tables
    assert {name for column in table.columns for name in column.attacks} == {"pgd-20"}
    assert table.planned == 12 and build(of, whole(of)).strangers == 0
    assert len(LABELS) == table.n


def test_checks_look_at_what_the_networks_own_attacks_left_not_the_replays():
    of = suite(OWN)
    lines = whole(of, twin="1111100000")  # made for the artifact, they break one image more of the network
    own = [line for line in lines if line["runtime"] is None]
    (table,) = build(of, lines, all_checks(of, own)).tables
    row = next(row for row in table.rows if row.name == ("dense", "plain"))
    assert str(row.verdict) == "sound" and row.accuracy[table.middles[0]].mean == 0.5
