"""The scripts that measure a claim of ours end with a status that says whether it held."""

from collections import Counter

import pytest

from tests.coverage_simulation import World, faults
from tests.false_alarms import status_of

HALF = World(0.5, 0.0, 0.5)


@pytest.mark.parametrize(
    ("words", "status"),
    [
        ({"sound": 20}, 0),
        ({"sound": 19, "suspect": 1}, 0),
        ({"sound": 18, "suspect": 2}, 1),
        ({"sound": 19}, 1),  # too few to claim a rate of
        ({"sound": 40, "unverified": 1}, 1),  # a row that was not checked is no row without an alarm
        ({}, 1),
    ],
)
def test_a_rate_of_false_alarms_needs_enough_rows_that_were_all_checked(words, status):
    assert status_of(Counter(words)) == status


@pytest.mark.parametrize(
    ("rates", "named"),
    [
        ({"covers": 0.931, "Satterthwaite": 0.8}, ""),
        ({"covers": 0.929}, "covers 0.929"),
        ({"covers": 0.95, "false differs": 0.069, "same": 0.9}, ""),
        ({"covers": 0.95, "false differs": 0.071}, "false differs 0.071"),
        ({"covers": 0.95, "false same": 0.071}, "false same 0.071"),
    ],
)
def test_a_simulation_names_what_covers_too_little_or_errs_too_often(rates, named):
    found = faults("accuracy, 2 seeds", [(HALF, rates), (HALF, {"covers": 1.0})])
    assert len(found) == bool(named) and all(line.endswith(named) for line in found)
