"""The speed command, on work of seconds: it says what it must, goes on after a kill, and refuses in one line.

Nothing here looks at a time: machines differ, and this one is shared.
"""

import contextlib
import io
import json
import re

import pytest

from tests.speed import memory
from tests.speed.__main__ import main
from tests.speed.ledger import Ledger
from tests.speed.peers import EVERYBODY, PEERS

pytestmark = pytest.mark.filterwarnings("default")  # of the peers, not of ours

SMALL = ["--network", "digits", "--examples", "64", "--chunk", "32", "--subset", "32", "--train-examples", "96"]
SMALL += ["--curve-examples", "32", "--steps", "5", "--seeds", "2", "--device", "cpu"]


@pytest.fixture(scope="module")
def measured(tmp_path_factory, cache):
    """The file of a whole measurement (but for memory, whose processes take long to start)."""
    out = tmp_path_factory.mktemp("measured") / "speed.jsonl"
    only = "one,curve,agreement,train,batches,transfer"
    assert main([*SMALL, "--cache", str(cache), "--out", str(out), "--only", only]) == 0
    return out


@pytest.fixture(scope="module")
def told(measured):
    """Its report: section → text."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        assert main(["--report", str(measured)]) == 0
    head, *sections = printed.getvalue().split("\n### ")
    return {"head": head} | {section.split("\n")[0]: section for section in sections}


def section(told: dict[str, str], begins: str) -> str:
    (found,) = [text for name, text in told.items() if name.startswith(begins)]
    return found


def test_the_report_says_on_what_it_was_measured(told):
    assert "eight-layer CNN, digits" in told["head"] and "64 images" in told["head"]
    assert "torchattacks 3" in told["head"] and "No GPU is at hand." in told["head"]


def test_everybody_is_timed_and_judged_at_one_epsilon(told, measured):
    text = section(told, "PGD-5 at ε 0.1")
    by = Ledger(measured).of("one", "digits")
    assert set(by) == set(EVERYBODY)
    for who, lines in by.items():
        assert f"| {who} " in text
        assert [(line["chunk"], line["n"]) for line in lines] in ([(0, 32), (1, 32)], [(0, 32)][: who in PEERS])
        assert all(line["seconds"] > 0 and len(line["robust"]) == 1 for line in lines)
    assert by["ours, every step"][0]["gradients"] == 5 * 32 > by["ours, decide"][0]["gradients"]
    assert re.search(r"a gradient is 2 × [\d,]+ MACs", text) and "GFLOP/s" in text


def test_the_order_rotates_from_chunk_to_chunk_and_slower_peers_run_on_the_subset_alone(measured):
    lines = [json.loads(line) for line in measured.read_text().splitlines()]
    first, second = (
        [line["who"] for line in lines if line["part"] == "one" and line["chunk"] == chunk] for chunk in (0, 1)
    )
    assert first == list(EVERYBODY)
    peers = [who for who in second if who in PEERS]
    assert len(peers) == 2 and "ART" in peers
    remaining = [who for who in EVERYBODY if who not in PEERS or who in peers]
    assert second == [*remaining[1:], remaining[0]]


def test_the_curve_runs_everybodys_loop_and_its_audit_apart(told, measured):
    text = section(told, "A curve of 8 ε from 0.2 down to 0.025")
    by = Ledger(measured).of("curve", "digits")
    assert set(by) == {"ours, swept", "ours, independent", *PEERS}
    assert all(len(line["robust"]) == 8 for lines in by.values() for line in lines)
    assert "outcomes differ" in text and "Audit, apart:" in text
    assert by["ours, swept"][0]["gradients"] < by["ours, independent"][0]["gradients"]


def test_the_sweep_agrees_nearly_and_falls_back_where_gradients_are_masked(told):
    text = section(told, "The sweep against eight independent fp32 runs")
    rows = {line.split("|")[1].strip(): line for line in text.splitlines() if line.startswith("|")}
    for network in ("adversarial", "standard", "pruned", "int8"):
        differing, of = map(int, re.search(r"(\d+) of (\d+)", rows[network]).groups())
        assert of == 8 * 32 and differing <= 0.03 * of, network  # so small a network's curve is not quite monotone
    assert "falls back" in rows["masked"]
    assert "gave the sweep up and ran every ε by itself" in text


def test_an_epoch_of_both_trainers_is_shown_for_every_seed(told, measured):
    text = section(told, "One epoch of adversarial training on 96 images")
    by = Ledger(measured).of("train", "digits")
    assert {len(lines) for lines in by.values()} == {2} and {"ART", "ours"} <= set(by)
    assert all(f"| {who} " in text for who in by)


def test_batch_sizes_and_transfer_are_told(told):
    assert all(word in section(told, "Batch sizes") for word in ("17", "128", "1000", "fp32", "bf16"))
    assert re.search(r"flatter the target by -?\d+\.\d points", section(told, "Transfer"))


@pytest.mark.parametrize("whole_lines", [6, 13], ids=["in the first chunk", "in the second"])
def test_a_killed_run_goes_on_and_repeats_nothing(whole_lines, tmp_path, cache, measured):
    out = tmp_path / "speed.jsonl"
    lines = measured.read_bytes().splitlines(keepends=True)
    kept = [line for line in lines if json.loads(line)["part"] in ("ground", "one", "peak")]
    written = b"".join(kept[:whole_lines])
    out.write_bytes(written + kept[whole_lines][:20])  # the next line was being written
    assert main([*SMALL, "--cache", str(cache), "--out", str(out), "--only", "one"]) == 0
    assert out.read_bytes().startswith(written)
    again, whole = Ledger(out).of("one", "digits"), Ledger(measured).of("one", "digits")
    assert set(again) == set(whole)
    assert sum(map(len, again.values())) == sum(map(len, whole.values()))
    for who in again:  # which peer is fastest, and so races on, is the clock's word: it may be another one this time
        assert len(again[who]) == len(whole[who]) or who in PEERS
        for one, other in zip(again[who], whole[who], strict=False):
            assert (one["chunk"], one["robust"]) == (other["chunk"], other["robust"]), who


def test_memory_is_measured_in_a_process_of_its_own(tmp_path, cache, monkeypatch):
    monkeypatch.setattr(memory, "EVERYBODY", {who: EVERYBODY[who] for who in ("ours, decide",)})
    monkeypatch.setattr(memory, "TIMES", (2,))
    out = tmp_path / "speed.jsonl"
    assert main([*SMALL, "--cache", str(cache), "--out", str(out), "--only", "memory"]) == 0
    small, large = Ledger(out).of("memory", "digits")["ours, decide"]
    assert small["peak"] >= small["idle"] > 50 and (small["chunk"], large["chunk"]) == (32, 64)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--only", "curv"], "--only curv: there is no such part; it takes .* (did you mean curve?)"),
        (["--chunk", "0"], "--chunk 0: must be at least 1"),
        (["--report", "nowhere.jsonl"], "--report nowhere.jsonl: there is no such file"),
        (["--data", "nowhere"], "--data nowhere: there is no such folder"),
    ],
)
def test_mistakes_are_told_in_one_line(arguments, complaint, capsys):
    assert main(arguments) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and re.fullmatch(f"error: {re.escape(complaint)}".replace(r"\.\*", ".*"), said.strip())


def test_other_settings_do_not_go_into_the_same_file(tmp_path, cache, measured, capsys):
    out = tmp_path / "speed.jsonl"
    out.write_bytes(measured.read_bytes())
    assert main([*SMALL, "--chunk", "16", "--cache", str(cache), "--out", str(out)]) == 2
    complaint = f"{out}: digits was measured with chunk size 32, not 16; give another --out, or delete it"
    assert capsys.readouterr().err.strip().splitlines()[-1] == f"error: {complaint}"
