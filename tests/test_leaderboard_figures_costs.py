"""What rows take, worked out again from raw records and measurements: Efficiency, Deployed, and Time and disk."""

import statistics
from collections import defaultdict

import numpy as np
import pytest
from scipy.stats import binom

from benchmark import outcomes
from tests.recomputed import ATTACKS, COMPRESSIONS, TRAININGS, N, World, bits, checks, difference, draw, records, right
from tests.recomputed import row_of as row
from tests.synthetic_records import grid, page, suite, tables
from tests.synthetic_records import shown as share_of

OWN = grid("first", ATTACKS, compressions=COMPRESSIONS, trainings=TRAININGS, runtimes=("openvino",))
PREFIX = {"": 1, "k": 1e3, "M": 1e6, "G": 1e9, "m": 1e-3}
SIZES = {"Parameters": "parameters", "MACs": "macs", "Weights": "weight_bytes"}
WORK = {"Training (passes × MACs)": 0, "Fine-tuning (passes × MACs)": 1}
MACHINE = {"processor": "none"}


def artifacts(of) -> list[dict]:
    """Records of artifacts that answer a few images otherwise than their networks do."""
    made = []
    for line in records(of, "openvino"):
        clean, robust = (bits(line["outcomes"][name]) for name in ("clean", "robust"))
        rng = draw("artifact", row(line), line["seed"], line["attack"])
        own_clean = clean & (draw("artifact", row(line), line["seed"]).random(N) > 0.02)
        own = robust & (rng.random(N) > 0.02)
        twin = robust & (rng.random(N) > 0.02)  # of examples that were not made for it
        small = line["compression"] == "int8"
        deployed = {
            "key": f"artifact {row(line)[1:]} {line['seed']}",
            "precision": "int8" if small else "fp32",
            "bytes": 310_000 + line["seed"] if small else 1_240_000,
            "kernels": {"conv": 2},
            "agree": int((clean == own_clean).sum()),
            "direct": False,
            "twin": {"clean": outcomes.pack(clean), "robust": outcomes.pack(twin)},
        }
        judged = {"clean_correct": int(own_clean.sum()), "robust_correct": int((own & own_clean).sum())}
        packed = {"outcomes": {"clean": outcomes.pack(own_clean), "robust": outcomes.pack(own & own_clean)}}
        made.append(line | {"runtime": "openvino", "mode": "examples", "deployed": deployed} | judged | packed)
    return made


def timing(keys: list[str]) -> dict:
    """A latency stage: the first artifact is the dense one."""
    made = []
    for key in keys:
        rng, sizes = draw(key), {}
        for batch, scale in (("1", 0.001), ("64", 0.02)):
            rounds = (scale * (1 + ("int8" not in key)) * rng.uniform(0.8, 1.2, 20)).tolist()
            middle = statistics.median(rounds)
            sizes[batch] = {"p10": min(rounds), "median": middle, "p90": max(rounds), "runs": 40, "rounds": rounds}
        made.append({"deployment": key, "memory": int(rng.integers(50_000_000, 90_000_000))} | sizes)
    latency = {"runtime": "openvino", "version": "1", "threads": 2, "busy": [0.0, 0.0], "dense": keys[0]}
    return latency | {"artifacts": made}


def measurement(stage: str, key: str, **more) -> dict:
    seconds, size = draw(stage, key).uniform(1, 900), int(draw(key).integers(1000, 10**7))
    line = {"stage": stage, "key": key, "label": "l", "seconds": float(seconds), "joules": None, "bytes": size}
    return line | {"machine": MACHINE, "latency": None} | more


@pytest.fixture(scope="module")
def shown():
    of = suite(OWN, seeds=(0, 1, 2))
    lines = records(of)
    for line in lines:  # every seed's own stages
        line["spent"] = [one | {"key": f"{one['key']} {line['seed']}"} for one in line["spent"]]
    made = artifacts(of)
    world = World(of, lines, checks(of, lines))
    measured = [measurement("train", key) for key in {one["key"] for line in lines for one in line["spent"]}]
    for training in ("plain", "tuned"):
        keys = [f"artifact {(name, training)} 0" for name in ("dense", "pruned", "int8")]  # scratch is not timed
        measured.append(measurement("latency", training, latency=timing(keys)))
    text = page(of, [*lines, *made], measured, checks=world.checks)
    return world, made, measured, text


def table(text: str, head: str) -> dict[tuple[str, str, str], dict[str, str]]:
    found = next(table for table in tables(text) if head in table[0])
    return {("first", line["Compression"].removesuffix(" (scratch-E)"), line["Training"]): line for line in found}


def amount(text: str) -> float:
    number, _, unit = text.partition(" ")
    return float(number) * PREFIX[unit.removesuffix("B").removesuffix("s")]


def union(world: World, made: list[dict], name: tuple) -> float:
    """Robust accuracy at 0.05: attacks, checks, and what was made for the artifacts."""
    stands = world.union(name)
    for line in made:
        if row(line) == name and line["eps"] == 0.05:
            stands[line["seed"]] &= bits(line["deployed"]["twin"]["robust"])
    return float(np.mean(stands))


def by_hand(world: World, made: list[dict], measured: list[dict]) -> dict[str, dict[tuple, float]]:
    """Column → row → its mean cost."""
    seconds = {line["key"]: line["seconds"] for line in measured}
    medians = {
        one["deployment"]: one["1"]["median"]
        for line in measured
        if line["latency"]
        for one in line["latency"]["artifacts"]
    }
    found: dict[str, dict[tuple, list[float]]] = defaultdict(lambda: defaultdict(list))
    for name in dict.fromkeys(map(row, world.lines)):
        since = 1 if name[1] == "scratch" else 0  # a control's weights have seen only what trained them since
        for network in world.networks(name):
            one = network[0]
            spent = one["spent"][since:]
            work = [(each["forward"] + each["backward"]) * each["macs"] for each in spent]
            for head, key in SIZES.items():
                found[head][name].append(one["size"][key])
            for head, first in WORK.items():
                found[head][name].append(sum(work[first:]))
            found["Training time"][name].append(sum(seconds[each["key"]] for each in spent))
        mine = {line["deployed"]["key"]: line["deployed"]["bytes"] for line in made if row(line) == name}
        found["Artifact, OpenVINO"][name] = list(mine.values())
        if times := [medians[key] for key in mine if key in medians]:
            found["Latency, OpenVINO"][name] = times
    return {head: {name: statistics.fmean(of) for name, of in rows.items()} for head, rows in found.items()}


def test_every_cost_its_share_of_the_same_trainings_dense_row_and_its_front(shown):
    world, made, measured, text = shown
    rows, costs = table(text, "Training time"), by_hand(world, made, measured)
    words = {name: line["Verdict"].split(" ")[0] for name, line in table(text, "Verdict").items()}
    robust = {name: union(world, made, name) for name in rows}
    assert set(words.values()) == {"sound", "suspect"}
    for name, line in rows.items():
        assert line["Robust @ 0.05"] == f"{100 * robust[name]:.1f}"
    marks = set()
    for head, of in costs.items():
        for name, line in rows.items():
            cell, mark = line[head].rstrip("◆◇").strip(), line[head][-1]
            if name not in of:
                assert line[head] == "—"
                continue
            dense = of[name[0], "dense", name[2]]
            told, _, share = cell.partition(" (")
            assert amount(told) == pytest.approx(of[name], rel=5e-3), (head, name)
            assert bool(share) == (name[1] != "dense" and dense > 0), (head, name)
            if share:
                assert float(share.removesuffix(" %)")) == pytest.approx(100 * of[name] / dense, rel=5e-3)
            sound = [other for other in of if words[other] == "sound"]
            every = [other for other in of if words[other] != "suspect"]
            expected = [
                name in among and not any(beats((of[o], -robust[o]), (of[name], -robust[name])) for o in among)
                for among in (sound, every)
            ]
            expected = "◆" if expected[0] else "◇" if expected[1] else ""
            assert (mark if mark in "◆◇" else "") == ("" if head == "Training time" else expected), (head, name)
            marks.add(expected)
    assert marks >= {"◆", ""}


def beats(one: tuple[float, float], other: tuple[float, float]) -> bool:
    return one != other and one[0] <= other[0] and one[1] <= other[1]


def test_an_artifact_beside_its_network(shown):
    world, made, _, text = shown
    for name, line in table(text, "Twin gap @ 0.05").items():
        mine = [one for one in made if row(one) == name and one["eps"] == 0.05]
        gaps = []
        for seed in world.of.seeds:
            own = [one for one in mine if one["seed"] == seed]
            twin = np.all([bits(one["deployed"]["twin"]["robust"]) for one in own], axis=0)
            gaps.append(difference([right(own, "robust")], [twin]))
        assert len(mine) == 6
        assert line["Twin gap @ 0.05"] == max(gaps, key=lambda gap: abs(gap.estimate)).text(0.999)
        firsts = [one for one in mine if one["attack"] == "one"]
        assert line["Clean agreement"] == share_of(*(one["deployed"]["agree"] for one in firsts), n=N)
        assert line["Robust accuracy (twin) @ 0.05"].split(" ")[0] == f"{100 * union(world, made, name):.1f}"


def test_bytes_memory_and_latency_of_artifacts(shown):
    _, made, measured, text = shown
    known = {one["deployment"]: one for line in measured if line["latency"] for one in line["latency"]["artifacts"]}
    size = {row(line)[1:]: line["deployed"]["bytes"] for line in made}
    for name, line in table(text, "Twin gap @ 0.05").items():
        told, _, share = line["Artifact"].partition(" (")
        assert amount(told) == pytest.approx(size[name[1:]], rel=5e-3)
        if name[1] != "dense":
            assert float(share.removesuffix(" %)")) == pytest.approx(100 * size[name[1:]] / 1_240_000, rel=5e-3)
        own, dense = known.get(f"artifact {name[1:]} 0"), known[f"artifact {('dense', name[2])} 0"]
        if name[1] == "scratch":
            assert [line["Peak memory"], line["Latency, 1 image"], line["Latency, 64 images"]] == ["—"] * 3
            continue
        assert amount(line["Peak memory"]) == pytest.approx(own["memory"], rel=5e-3)
        for batch, head in (("1", "Latency, 1 image"), ("64", "Latency, 64 images")):
            told, _, ratio = line[head].partition(" (")
            assert amount(told) == pytest.approx(statistics.median(own[batch]["rounds"]), rel=5e-3)
            ratios = sorted(np.divide(dense[batch]["rounds"], own[batch]["rounds"]))
            end = int(binom.ppf(0.025, 20, 0.5))  # of a median's interval: the 6th from either end
            bounds = f"[{ratios[end - 1]:.2f}, {ratios[-end]:.2f}]"
            assert ratio == ("" if name[1] == "dense" else f"{statistics.median(ratios):.2f} × {bounds})")


def test_time_and_disk_are_the_stages_sums(shown):
    *_, measured, text = shown
    rows = {line["Stage"]: line for line in next(table for table in tables(text) if "Stored" in table[0])}
    assert rows.keys() == {"train", "latency"}
    for stage, line in rows.items():
        mine = [one for one in measured if one["stage"] == stage]
        assert line["Done"] == str(len(mine)) and line["Seconds"] == f"{sum(one['seconds'] for one in mine):.1f}"
        assert amount(line["Stored"]) == pytest.approx(sum(one["bytes"] for one in mine), rel=5e-3)
