"""The statistical part of leaderboard.md: rows beside their dense row, what decided a union, and the claims."""

from collections.abc import Sequence

from tabulate import tabulate

from benchmark.claims import Claim, Lighter, Measure, Row, fingerprint
from benchmark.types import Suite
from leaderboard.claims import evaluate
from leaderboard.figures import CLEAN, Figures
from leaderboard.registration import Registration
from leaderboard.significance import Significance, headlines, rows
from leaderboard.text import MISSING, NORM, epsilon, escape
from leaderboard.verdict import Verdicts
from leaderboard.wording import decided

UNION = "Robust accuracy (union)"
HOW = (
    "**Intervals** are of 95 %: for one network Wilson's, over the choice of test images; over several training seeds "
    "Wilson's with the seeds' spread added to the images' binomial error, by Cochran and Cox's t (1957): the quantiles "
    "of Student's t and of the normal, weighted by the two variances. Each row's spread is its own (not pooled over "
    "rows, which share their dense networks and do not spread alike).",
    "**Δ to dense**: the row minus the dense row of the same training and seed, image by image, in points. *better*, "
    "*worse*: p < .05 after Holm's correction over all of the board's Δ. *same within ±δ*: so is p of two one-sided "
    "tests of a difference of δ or more; δ is the suite's, given before the run. *undecided*: neither is shown. "
    "The interval is of one comparison alone, the word is corrected for all of the board's, so that it may be "
    "*undecided* beside an interval without zero, or inside ±δ. "
    "What is behind the word says which row is not sound; one that is suspect has no word, and is not tested. "
    "*these networks*: fewer than three seeds are compared, so that it is shown of these networks and not of a method. "
    "*by attacks alone*: without what checks broke, since the two were not checked alike.",
    "**Bold**: a sound row with all of its seeds that is not significantly worse than the one of the highest mean "
    "(paired, Holm over the grid's rows).",
    "**Decided by**: the attack or check that breaks the most on its own (a check is shown only what stands before "
    "it), and what all others take beyond it, in points.",
)


def how_sure(suite: Suite, figures: Figures, found: Significance) -> list[str]:
    """The grid's table of differences and of what decided the unions, as Markdown blocks."""
    grid, unions = figures.grid, headlines(figures.grid)
    measures = [CLEAN, *unions]
    heads = ["Compression", "Training"]
    for measure in measures:
        name = escape(title(suite, measure, len(unions)))
        heads += [f"Δ to dense: {name[0].lower()}{name[1:]}"]
        heads += [f"Decided by{name.removeprefix(UNION)}"] * (measure in unions)
    lines = []
    for row in rows(grid):
        line = [escape(row[0]), escape(row[1])]
        for measure in measures:
            line += [_compared(found, figures, row, measure)]
            line += [_decider(figures, row, measure)] if measure in unions else []
        lines.append(line)
    drawn = tabulate(lines, heads, tablefmt="pipe", disable_numparse=True)
    return ["### How sure", drawn]


def title(suite: Suite, measure: Measure, norms: int) -> str:
    """A measure's name; its norm where there are several."""
    if measure.eps is None:
        return "Clean accuracy"
    norm = f" ({NORM[measure.norm]})" if norms > 1 else ""
    return f"{measure.attack or UNION} @ {epsilon(suite, measure.eps)}{norm}"


def _compared(found: Significance, figures: Figures, row: Row, measure: Measure) -> str:
    compared = found.compared.get((figures.grid.name, row, measure))
    if compared is None:
        return MISSING
    return decided(
        compared.difference, compared.decision, figures.grid.delta / 100, len(figures.suite.seeds), compared.doubts
    )


def _decider(figures: Figures, row: Row, measure: Measure) -> str:
    decider = figures.decider(row, measure)
    if decider is None:
        return MISSING
    more = 100 * (decider.alone - decider.union)
    return escape(decider.label) + (f", others −{more:.1f}" if more >= 0.05 else "")


def claims_section(
    suite: Suite, figures: Sequence[Figures], registered: Registration | None, verdicts: Verdicts
) -> list[str]:
    """Each claim of the suite with its word and numbers. `registered`: when they were fixed."""
    if not suite.claims:
        return []
    by_grid = {one.grid.name: one for one in figures}
    lines = []
    for claim in suite.claims:
        result = evaluate(claim, by_grid[claim.grid], verdicts)
        doubt = " (on unverified rows)" * result.unverified
        said = f"{claim.text or _spelled(claim)} ({_measured(suite, claim)})"
        lines.append(f"- **{result.word}**{doubt}: {escape(said)}")
        lines += [f"  - {escape(line)}" for line in result.numbers]
    when = "It is not known when they were fixed"
    if registered:
        when = f"Fixed when {registered.judged} of {registered.planned} cells had been judged"
        if registered.earlier:
            plural = "s" if registered.earlier > 1 else ""
            when += f", and after {registered.earlier} other version{plural} of them, or of their rows"
    about = (
        f"{when} (hash of the claims and of the rows they are about: `{fingerprint(suite)}`). Numbers are points with "
        "90 % intervals; tests at α = .05."
    )
    return ["## Claims", about, "\n".join(lines)]


def _spelled(claim: Claim) -> str:
    rows_, to = (", ".join(dict.fromkeys("/".join(row) for row in side)) for side in (claim.rows, claim.to))
    return f"{claim.grid}: {rows_} {claim.kind}{' ' + to if to else ''}"


def _measured(suite: Suite, claim: Claim) -> str:
    """What a claim is about, with its ε, and its norm where the suite has several."""
    if isinstance(claim, Lighter):
        return f"{100 * claim.by:.3g} % of {claim.what}"
    return title(suite, claim.measure, len({attack.norm for grid in suite.grids for attack in grid.attacks}))
