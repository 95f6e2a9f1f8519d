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
