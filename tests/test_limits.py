"""Limits: fewer images, labelled as such; more than there are is refused where it was written, or called "at most"."""

import json

import pytest

from benchmark.execute.progress import Progress
from tests.conftest import small


def test_limits(desk):
    ran = desk.run(small(), "--limit", "train=100,test=70")
    (record,) = [json.loads(line) for line in ran.records.splitlines()]
    assert record["n"] == 70 and record["dataset"]["test_total"] == 599
    assert "70 of 599" in (ran.out / "leaderboard.md").read_text()


def test_another_test_limit_trains_nothing_anew(desk):
    (many,), (few,) = (
        [json.loads(line) for line in ran.records.splitlines()]
        for ran in (desk.run(small()), desk.run(small(), "--limit", "test=40"))
    )
    assert few["keys"]["network"] == many["keys"]["network"] and few["keys"]["craft"] != many["keys"]["craft"]
    assert (few["n"], many["n"]) == (40, 599)


@pytest.mark.parametrize("part, most", [("test", "599 test images there are"), ("train", "1079 train images there")])
def test_a_limit_beyond_the_dataset_is_refused_where_it_stands(desk, part, most):
    ran = desk.run(small(limit={part: 5000}))
    where, rest = f"error: {desk.folder / 'tiny.yaml'}", f": grid main: limit {part}=5000 is more than the {most}"
    assert ran.status == 2 and ran.complained.count("\n") == 1
    assert ran.complained.startswith(where + rest) and "give at most" in ran.complained
    ran = desk.run(small(), "--limit", f"{part}=5000")
    assert ran.status == 2 and ran.complained.startswith(f"{where} with --limit {part}=5000{rest}")
    assert not list(desk.store.root.rglob("artifact.json"))


def test_what_is_not_run_need_not_have_its_images(desk):
    """A grid that is done, or left out, does not stop the others."""
    grids = [{"name": "a"}, {"name": "b", "limit": {"test": 5000}}]
    ran = desk.run(small(grids=grids), "--only", "grid=a")
    assert ran.status == 0, ran.complained


def test_a_plan_promises_no_image_that_may_not_be_there(desk):
    """digits says nothing of its size before it is loaded, and CIFAR-10 does."""
    assert "points with at most 5,000 images" in desk.run(small(limit={"test": 5000}), "--dry-run").printed
    known = small(dataset="cifar10")
    assert "points with 5,000 images" in desk.run(known | {"limit": {"test": 5000}}, "--dry-run").printed
    assert "points with 10,000 images" in desk.run(known, "--dry-run").printed
    ran = desk.run(known, "--dry-run", "--limit", "test=10001")
    assert ran.status == 2 and ran.printed == ""
    assert ran.complained == (
        "error: --limit test=10001: 10001 is more than the 10000 test images of cifar10; give at most 10000\n"
    )


def test_a_run_under_way_says_at_least_while_some_times_are_unknown(desk, capsys):
    assert desk.run(small()).status == 0
    more = small(attacks={"pgd": {"pgd": {"steps": 2}}, "bim": "bim"}, seeds=[0, 1])
    for suite, words in ((more, " left (2 stages unknown)"), (small(seeds=[0, 1]), " left  ")):
        with Progress(desk.plan(suite)[1], desk.store) as progress:
            progress.tell(0, 1, "steps")
        said = capsys.readouterr().err
        assert words in said and ("at least" in said) == (suite is more)
