"""`hlsgen report`: the facts of one project or of two, and the page that shows them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hlsgen.report.compare import Comparison, compared, comparison_page
from hlsgen.report.facts import Report
from hlsgen.report.gather import report_of
from hlsgen.report.page import page


@dataclass(frozen=True, eq=False)
class Made:
    """What was asked for; `path` is where its page stands unless the user says."""

    facts: Report | Comparison
    path: Path

    @property
    def reports(self) -> tuple[Report, ...]:
        facts = self.facts
        return (facts.a, facts.b) if isinstance(facts, Comparison) else (facts,)

    @property
    def wrong(self) -> bool:
        """Whether some build's verification found elements that are wrong."""
        return any(r.verification.verdict == "wrong" for r in self.reports)

    def html(self) -> str:
        facts = self.facts
        return comparison_page(facts) if isinstance(facts, Comparison) else page(facts)


def made_report(folders: Sequence[Path]) -> Made:
    """The report of a project folder, or the comparison of two.

    Errors: OptionError where a folder is no project, or not a whole one.
    """
    reports = [report_of(folder) for folder in folders]
    if len(reports) == 2:
        return Made(compared(*reports), Path("comparison.html"))
    return Made(reports[0], folders[0] / "report.html")
