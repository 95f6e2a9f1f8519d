"""When claims were fixed: what their hash is of, and what a board says of versions that were seen before."""

from dataclasses import replace

from benchmark.claims import Claim, Measure, fingerprint
from benchmark.plugins import Registry
from benchmark.suite import load
from leaderboard.evidence import claims_section
from leaderboard.registration import Registration, register, registered
from leaderboard.table import build
from tests.synthetic_records import every, suite
from tests.test_claims import SUITE


def test_a_fingerprint_changes_with_what_is_said_and_with_what_it_is_said_of(tmp_path):
    """A claim that keeps its words about rows that are made otherwise was not fixed before those rows were seen."""
    texts = [
        SUITE,
        SUITE.replace("rows: half", "delta: 1, rows: half"),
        *(
            SUITE.replace(*change)
            for change in (
                ("ratio: 0.5", "ratio: 0.1"),
                ("epochs: 2", "epochs: 40"),
                ("steps: 20", "steps: 1"),
                ("[0, 1, 2]", "[0]"),
                ("eight_layer_cnn", "resnet_cifar"),
                ("seeds:", "limit: {train: 500}\nseeds:"),
            )
        ),
    ]
    found = []
    for number, text in enumerate(texts):
        path = tmp_path / f"{number}.yaml"
        path.write_text(text)
        found.append(fingerprint(load(path, Registry())))
    assert len(set(found)) == len(texts)
    (tmp_path / "other-name.yaml").write_text(SUITE)
    assert fingerprint(load(tmp_path / "other-name.yaml", Registry())) == found[0]


def test_a_fingerprint_is_of_where_examples_come_from_and_not_of_where_files_lie(tmp_path):
    weights = "dataset: digits\nmodel: {checkpoint: {file: net.pt, architecture: {vgg: {}}, mean: [0], std: [1]}}"
    grids = """grids:
  - {name: main, attacks: {borrowed: {pgd: {steps: 2}, from: {grid: source}}}}
  - {name: source, model: {resnet_cifar: {width: WIDTH}}}
"""
    crossed = SUITE.replace("claims:", f"{grids}claims:").replace("rows: half", "grid: main, rows: half")
    found = {}
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "net.pt").write_bytes(b"the same weights")
        for width in ("0.25", "0.5"):
            path = tmp_path / folder / f"{width}.yaml"
            path.write_text(crossed.replace("WIDTH", width))
            found[folder, width] = fingerprint(load(path, Registry()))
        path.write_text(SUITE.replace("dataset: digits\nmodel: eight_layer_cnn", weights))
        found[folder, "own"] = fingerprint(load(path, Registry()))
    (tmp_path / "b" / "net.pt").write_bytes(b"other weights")
    found["b", "changed"] = fingerprint(load(path, Registry()))
    assert all(found["a", name] == found["b", name] for name in ("0.25", "0.5", "own"))
    assert len(set(found.values())) == 4


def test_a_register_of_an_older_form_is_kept_and_says_nothing(tmp_path):
    path, of = tmp_path / "claims.jsonl", suite(claims=(Claim("within", "", "digits", (), (), Measure()),))
    path.write_text('{"claims":"0123456789ab","judged":0,"planned":8}\n')
    assert registered(path, of) is None
    register(path, of, 3, 8)
    assert registered(path, of) == Registration(3, 8, 0) and len(path.read_text().splitlines()) == 2


def test_claims_are_registered_once_as_they_were_first_seen(tmp_path):
    path = tmp_path / "claims.jsonl"
    register(path, suite(), 0, 8)
    assert not path.exists()
    pair = ((("prune-50", "plain"),), (("dense", "plain"),))
    first, changed = (
        suite(claims=(Claim("within", "", "digits", *pair, Measure(), delta=delta),)) for delta in (2.0, 9.0)
    )
    other_rows = replace(first, grids=(replace(first.grids[0], compressions=first.grids[0].compressions[::-1]),))
    register(path, first, 0, 8)
    register(path, first, 8, 8)
    register(path, changed, 8, 8)
    register(path, other_rows, 0, 8)  # of other networks, none of which has been judged: but others have been
    assert registered(path, first) == Registration(0, 8, 0)
    assert registered(path, changed) == Registration(8, 8, 1)
    assert registered(path, other_rows) == Registration(0, 8, 2)
    assert len(path.read_text().splitlines()) == 3
    (figures,) = build(first, every(first)).figures
    text = "\n".join(claims_section(other_rows, [figures], registered(path, other_rows), {}))
    assert "Fixed when 0 of 8 cells had been judged, and after 2 other versions of them, or of their rows" in text
    assert "other version" not in "\n".join(claims_section(first, [figures], registered(path, first), {}))
