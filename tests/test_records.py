"""Records on disk: outcomes packed as bits, and every bad line is one that names its place."""

import base64
import json
import random
import re
from pathlib import Path

import numpy as np
import pytest

from benchmark import outcomes
from benchmark.errors import RequestError
from benchmark.types import canonical
from leaderboard import records
from tests.synthetic_records import every, suite


def test_packed_bits_are_numpys_and_come_back():
    chance = random.Random(0)
    for n in (0, 1, 7, 8, 9, 100):
        drawn = [chance.random() < 0.5 for _ in range(n)]
        packed = outcomes.pack(drawn)
        assert base64.b64decode(packed) == np.packbits(np.array(drawn, dtype=bool)).tobytes()
        assert outcomes.unpack(packed, n) == drawn
    for wrong, n in (("gA==", 9), ("gA==", 0), ("/w==", 7), ("?", 8)):
        with pytest.raises(ValueError):
            outcomes.unpack(wrong, n)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda line: line.pop("norm"), "norm: missing"),
        (lambda line: line.update(seconds=3), "seconds: unknown field"),
        (lambda line: line.update(seed=True), "seed: true is not a whole number"),
        (lambda line: line.update(eps=0), "eps: 0 is not a number above 0"),
        (lambda line: line["passes"].update(forward=1.5), "passes.forward: 1.5 is not a whole number"),
        (lambda line: line.update(steps=[{"a": {}, "b": {}}]), "is not a list of recipes"),
        (lambda line: line.update(robust_correct=5), "robust_correct: 5, but outcomes.robust holds 6"),
        (lambda line: line["outcomes"].update(clean="A"), "outcomes.clean: not base64"),
        (lambda line: line["outcomes"].update(robust=outcomes.pack([0] * 4 + [1] * 6)), "is wrong on its clean image"),
        (lambda line: line["per_class"].update(n=[10, 1]), "per_class.n: sums to 11, not to 10"),
        (lambda line: line["dataset"].update(test_total=9), "n: 10 is not in 1…9"),
    ],
)
def test_a_bad_record_is_one_line_that_names_file_line_and_field(tmp_path, change, message):
    lines = every(suite())
    records.write(tmp_path / "records.jsonl", lines)
    stored = records.read(tmp_path / "records.jsonl")
    assert sorted(map(canonical, stored)) == sorted(map(canonical, lines))
    change(stored[1])
    (tmp_path / "records.jsonl").write_text("".join(json.dumps(line) + "\n" for line in stored))
    with pytest.raises(RequestError) as caught:
        records.read(tmp_path / "records.jsonl")
    assert str(caught.value).startswith(f"{tmp_path}/records.jsonl:2: ") and message in str(caught.value)
    assert "\n" not in str(caught.value)
    with pytest.raises(ValueError, match=re.escape(message)):
        records.write(tmp_path / "other.jsonl", stored)


def test_a_line_that_is_not_json_or_comes_twice_is_refused(tmp_path):
    path, line = tmp_path / "records.jsonl", canonical(every(suite())[0])
    for text, message in (
        (f"{line}\n{{", "2: not a line of JSON"),
        (f"{line}\n\n{line}\n", "3: the same record as line 1"),
    ):
        path.write_text(text)
        with pytest.raises(RequestError, match=message):
            records.read(path)
    path.write_text(line.replace('"eps":0.05', '"eps":NaN'))
    with pytest.raises(RequestError, match=r"1: not a line of JSON \(NaN is not a JSON number\)"):
        records.read(path)


def test_a_separator_of_unicode_inside_a_name_does_not_end_a_line(tmp_path):
    holes = [dict(zip(records.HOLE.order, ("g", "c", "t", 0, "a\u2028b", None, 0.1, None, "failed"), strict=True))]
    records.write(tmp_path / "failures.jsonl", holes, records.HOLE)
    assert records.read(tmp_path / "failures.jsonl", records.HOLE) == holes


def test_every_field_is_documented():
    text = (Path(records.__file__).parent / "README.md").read_text(encoding="utf-8")
    for schema in (records.RECORD, records.MEASUREMENT, records.HOLE):
        for name, wanted in schema.fields.items():
            assert f"`{name}`" in text
            assert all(f"`{inner}`" in text for inner in (wanted if isinstance(wanted, dict) else ()))
