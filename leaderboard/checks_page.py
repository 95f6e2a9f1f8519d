"""The section "Checks" of leaderboard.md: what was done to doubt each row, what it found, and what it could find."""

from collections.abc import Sequence

from tabulate import tabulate

from benchmark.claims import Row
from benchmark.types import Suite
from benchmark.verification import KINDS, QUICK
from leaderboard.checked import tried
from leaderboard.figures import Figures
from leaderboard.significance import headlines, rows
from leaderboard.table import Table
from leaderboard.text import MISSING, NORM, epsilon, escape
from leaderboard.verdict import Finding


def _sizes() -> str:
    """How many images each check looks at, of both levels, as text."""
    by_size: dict[int, list[str]] = {}
    for kind in KINDS:
        if kind.size:
            by_size.setdefault(kind.size, []).append(kind.name)
    return "; ".join(f"{', '.join(names)} {n:,} ({n // QUICK})" for n, names in sorted(by_size.items()))


HOW = (
    "**Verdict**: of the row's worst network. *sound*: every check that applies was done at its full size and passed; "
    "only such rows are ranked. *suspect*: a check has failed, and which. *unverified*: what is missing. *verify: "
    "none*: the suite asks for no checks; what records show by themselves (*sweep*, *deployed*, clean accuracy) is "
    "looked at all the same. *quick*: passed, at a tenth of the size, which can find fault and no more. A row under ℓ1 "
    "attacks is never sound: there is no gradient-free check of that norm. Whatever a check breaks is broken in the "
    f"row's unions, too; “by checks” says how much that took ({MISSING}: none tried), of the images that it "
    "looked at alone; *estimated* is what it would be had it looked at all that stand.",
    "**Sizes**: of each network a check looks at so many of the images that stand, chosen at random, or at all where "
    f"there are fewer, with `verify: full` (and with `verify: quick`): {_sizes()}. *trained* looks at all test images.",
    "**Checks**, at the headline ε. *strong rerun*: PGD of 100 steps and 5 restarts on the margin (20 restarts if more "
    "than a tenth of the images have no gradient), on what stands. *gradient-free*: Square Attack of 1,000 queries, on "
    "what attacks by gradient have left. *transfer*: examples made for the dense network and the nearest sibling. "
    "*single step*: what FGSM alone breaks. Each is suspect if it breaks significantly more than 1 point of the test "
    "images. *unbounded*: PGD in a ball of .5 around clean images, of which significantly more than 1 % survive "
    "(9 of 200); the count is of survivors, unlike that of other checks, which is of images broken. "
    "*sweep*: 2 or more implied outcomes of an attack are wrong. *zero gradient*: never suspect by itself. *random*: "
    "the logits of any image differ when asked again: such a network would have to be judged on the mean of 100 passes "
    "or more. *trained*: the loss did not fall, clean accuracy is not shown (p at most .025) to be above that of "
    "naming the commonest class, or a compression is not what it says of itself. *deployed*: "
    "twin and artifact differ by more than 1 point. Tests are exact, one-sided and binomial at α = .001. *finds 3.1 "
    "points*: what a test would have found with a chance of 90 %; gradient-free and transfer also say how many they "
    f"break of 50 images (quick: {50 // QUICK}) that the row's own attacks break.",
)


def checks_section(suite: Suite, table: Table, figures: Figures) -> list[str]:
    """A line for each row, the most that a check found in any of its networks; behind it, every network's."""
    verdicts = {row.name: row.verdict for row in table.rows}
    findings = [finding for verdict in verdicts.values() for finding in verdict.findings if finding.numbers]
    if not any(figures.checked.of(row, seed) for row in rows(table.grid) for seed in suite.seeds):
        return []
    names = list(dict.fromkeys((finding.check, finding.norm) for finding in findings))
    measures = headlines(table.grid)
    heads = ["Compression", "Training", "Verdict"]
    heads += [f"By checks @ {epsilon(suite, one.eps)}{_norm(one.norm, len(measures))}" for one in measures]
    lines = []
    for row, verdict in verdicts.items():
        lost = [_lost(figures, row, measure) for measure in measures]
        lines.append([*map(escape, (*row, str(verdict))), *lost])
    every = [line for row, verdict in verdicts.items() for line in _lines(row, verdict.findings, len(measures))]
    detail = tabulate(every, ["Row", "Seed", "Check", "Found", "Test", "Power"], tablefmt="pipe", disable_numparse=True)
    return [
        "### Checks",
        tabulate(lines, heads, tablefmt="pipe", disable_numparse=True),
        f"<details><summary>{len(every)} checks of networks, of {len(names)} kinds</summary>\n\n{detail}\n\n</details>",
    ]


def _norm(norm: str | None, norms: int) -> str:
    return f" ({NORM[norm]})" if norm and norms > 1 else ""


def _lost(figures: Figures, row: Row, measure) -> str:
    """What checks took from a union, in points, on the mean over seeds; MISSING where none tried."""
    before, after = figures.by_attacks(row, measure), figures.outcomes(row, measure)
    if not any(tried(figures.checked.of(row, seed), measure.norm, measure.eps.value) for seed in before):
        return MISSING
    lost = sum((before[seed] & ~after[seed]).bit_count() for seed in before)
    return f"−{100 * lost / len(before) / figures.n:.1f}" if lost else "0.0"


def _lines(row: Row, findings: Sequence[Finding], norms: int) -> list[list[str]]:
    lines = []
    for finding in findings:
        if finding.numbers:
            check = f"{finding.check}{_norm(finding.norm, norms)}"
            check = f"**{check}: suspect**" if finding.word == "suspect" else check
            shown = map(escape, (finding.numbers, finding.test, finding.power))
            lines.append([escape("/".join(row)), str(finding.seed), check, *shown])
    return lines
