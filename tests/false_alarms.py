"""How often the checks call a credible row suspect: `python -m tests.false_alarms [--seeds 8]`.

Networks are trained on the digits, from several seeds, stay dense, are pruned or quantised to INT8, and are trained
adversarially after that; every one is attacked by PGD-20 and FGSM and verified in full. Nothing is wrong with them, so
that every suspicion is a false alarm. A row is one network here.

The work is an ordinary suite in --store: run it again, and it goes on from where it was.
"""

import argparse
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import yaml

from benchmark import run
from benchmark.plugins import Registry
from benchmark.suite import load
from leaderboard.check_records import CHECK
from leaderboard.records import read
from leaderboard.table import build

SUITE = {
    "name": "false-alarms",
    "eps": [0.05, 0.1],
    "headline": 0.1,
    "dataset": "digits",
    "model": {"eight_layer_cnn": {"width": 0.5}},
    "verify": "full",
    "compressions": {
        "dense": [],
        "prune-50": [{"prune": {"ratio": 0.5}}],
        "int8": [{"quantize": {"bits": 8}}],
    },
    "trainings": {
        "adversarial": {
            "before": {
                "standard": {"epochs": 30, "lr": 0.05, "batch_size": 32, "schedule": "step", "milestones": [24]}
            },
            "after": {"pgd_at": {"epochs": 8, "eps": 0.1, "lr": 0.02, "batch_size": 32}},
        }
    },
    "attacks": {"pgd-20": {"pgd": {"steps": 20}}, "fgsm": "fgsm"},
}


FEWEST = 20  # rows that a rate is claimed of


def main() -> int:
    """Exit status: 0, at most one false alarm in twenty rows, of twenty or more that were checked; 1, more, or no rate
    can be claimed; others are those of benchmark.run."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=8, help="of each row; default: %(default)s")
    parser.add_argument("--store", type=Path, default=Path("results") / "store", help="default: %(default)s")
    parser.add_argument("--out", type=Path, default=Path("results") / "false-alarms", help="default: %(default)s")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    path = given.out / "false-alarms.yaml"
    path.write_text(yaml.safe_dump(SUITE | {"seeds": list(range(given.seeds))}, sort_keys=False))
    status = run.main([str(path), "--store", str(given.store), "--out", str(given.out), "--device", "cpu"])
    if status:
        return status
    suite = load(path, Registry())
    records, checks = read(given.out / "records.jsonl"), read(given.out / "checks.jsonl", CHECK)
    words, alarms = Counter(), Counter()
    for seed in suite.seeds:  # one network at a time: a row's verdict is that of its worst
        (table,) = build(replace(suite, seeds=(seed,)), records, checks).tables
        for row in table.rows:
            words[row.verdict.word] += 1
            alarms.update(finding.check for finding in row.verdict.findings if finding.word == "suspect")
            robust = next(row.accuracy[column].mean for column in table.middles)
            clean = f"clean {100 * row.clean.mean:.1f} %, robust {100 * robust:.1f} %"
            print(f"{row.compression:9} seed {seed}: {clean}, {row.verdict}")
    by = f" ({', '.join(f'{check}: {count}' for check, count in alarms.items())})" if alarms else ""
    print(f"{words.total()} credible rows: {words['suspect']} suspect{by}, {words['sound']} sound")
    return status_of(words)


def status_of(words: Counter) -> int:
    """How many rows have each verdict → 0, if few enough are suspect of enough that all have been checked."""
    total, judged = words.total(), words["sound"] + words["suspect"]
    if judged != total or total < FEWEST:
        print(f"no rate can be claimed: {judged} of {total} rows were checked in full, and {FEWEST} are needed")
        return 1
    return int(words["suspect"] > total / 20)


if __name__ == "__main__":
    sys.exit(main())
