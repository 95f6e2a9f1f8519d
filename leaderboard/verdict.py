"""A row's verdict: whether its figures can be believed, why not, or what is missing to say so.

A *finding* is what one check says of one network. The row's verdict is that of its worst network: `suspect` if a check
has failed, `unverified` while one is missing, otherwise `sound`. Only sound rows are ranked.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from benchmark.claims import Row

SOUND, UNVERIFIED, SUSPECT = "sound", "unverified", "suspect"
Word = Literal["passed", "suspect", "missing"]


@dataclass(frozen=True)
class Finding:
    """What a check says of one network (`seed`), at the headline ε of a norm, or of the network as such (None).

    reason: short, for the verdict; empty if passed. numbers, test, power: for the table of checks; empty where there is
    nothing to say.
    """

    check: str
    seed: int
    word: Word
    reason: str = ""
    numbers: str = ""
    test: str = ""
    power: str = ""
    norm: str | None = None


@dataclass(frozen=True)
class Verdict:
    """`sound`, or `suspect` or `unverified` with its reasons, and the findings that it rests on.

    As a text: sound, suspect (not monotone in ε), unverified (verify: none).
    """

    word: str
    reasons: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()
    networks: int = 1

    def __str__(self) -> str:
        return f"{self.word} ({'; '.join(self.reasons)})" if self.reasons else self.word

    @property
    def sound(self) -> bool:
        return self.word == SOUND

    @property
    def suspect(self) -> bool:
        return self.word == SUSPECT

    def of(self, norm: str | None) -> "Verdict":
        """As far as it is of one norm, or (None) of the network as such, whatever attacks it: of clean accuracy."""
        findings = [finding for finding in self.findings if finding.norm in (None, norm)]
        return verdict(findings, self.networks) if self.findings else self


Verdicts = Mapping[tuple[str, Row], Verdict]  # of a grid's name and row
NOT_YET = Verdict(UNVERIFIED)


def verdict(findings: Iterable[Finding], networks: int) -> Verdict:
    """The verdict of a row of so many networks; a reason that is not all networks' names the seeds that it is of, and
    its norm where there are several."""
    findings = tuple(findings)
    norms = {finding.norm for finding in findings} - {None}
    for found, word in (("suspect", SUSPECT), ("missing", UNVERIFIED)):
        seeds: dict[str, list[int]] = {}
        for finding in (finding for finding in findings if finding.word == found):
            reason = finding.reason
            if finding.norm and len(norms) > 1 and f"ℓ{finding.norm}" not in reason:
                reason += f" (ℓ{'∞' if finding.norm == 'inf' else finding.norm})"
            if finding.seed not in seeds.setdefault(reason, []):
                seeds[reason].append(finding.seed)
        if seeds:
            reasons = tuple(_of(reason, of, networks) for reason, of in seeds.items())
            return Verdict(word, reasons, findings, networks)
    return Verdict(SOUND, (), findings, networks)


def _of(reason: str, seeds: list[int], networks: int) -> str:
    some = len(seeds) < networks
    return f"{reason}, seed{'s' if len(seeds) > 1 else ''} {', '.join(map(str, seeds))}" if some else reason
