"""The section "Checks" of leaderboard.md: what was done to doubt each row, what it found, and what it could find."""

from collections.abc import Sequence

from tabulate import tabulate

from benchmark.claims import Row
from benchmark.types import Suite
from leaderboard.checked import tried
from leaderboard.figures import Figures
from leaderboard.significance import headlines, rows
from leaderboard.table import Table
from leaderboard.text import MISSING, NORM, epsilon, escape
from leaderboard.verdict import Finding

HOW = (
    "**Verdict**: of the row's worst network. *sound*: every check that applies was done at its full size and passed; "
    "only such rows are ranked. *suspect*: a check has failed, and which. *unverified*: what is missing (*quick*: a "
    "tenth of the examples were looked at, which can find fault and no more). Whatever a check breaks is broken in the "
    "row's unions, too; “by checks” says how much that took.",
    "**Checks**, at the headline ε. *strong rerun*: PGD of 100 steps and 5 restarts on the margin (20 restarts if more "
    "than a tenth of the images have no gradient), on what stands. *gradient-free*: Square Attack of 1,000 queries, on "
    "what attacks by gradient have left. *transfer*: examples made for the dense network and the nearest sibling. "
    "*single step*: what FGSM alone breaks. Each is suspect if it breaks significantly more than 1 point of the test "
    "images. *unbounded*: PGD in a ball of .5 around clean images, of which significantly more than 1 % survive. "
    "*sweep*: 2 or more implied outcomes of an attack are wrong. *zero gradient*: never suspect by itself. *random*: "
    "the logits differ when asked again. *trained*: loss, chance, and what a compression says of itself. *deployed*: "
    "twin and artifact differ by more than 1 point. Tests are exact, one-sided and binomial at α = .001. *finds 3.1 "
    "points*: what a test would have found with a chance of 90 %; gradient-free and transfer also say how many they "
    "break of 50 images that the row's own attacks break.",
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
