"""The pages of `hlsgen report`: sound HTML and SVG, nothing loaded, nothing injected, alive."""

from __future__ import annotations

import re
import shutil
import subprocess
import xml.etree.ElementTree as ET
from html.parser import HTMLParser
from pathlib import Path

import pytest
from small import EVIL, built

from hlsgen.emit.hls import Io
from hlsgen.report.compare import compared, comparison_page
from hlsgen.report.facts import Report
from hlsgen.report.gather import report_of
from hlsgen.report.page import page

VOID = {"meta", "br"}
BROWSER = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), ""
)


class Reader(HTMLParser):
    """Checks that every element is closed in its turn, and keeps what a page is made of."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.text = ""
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> tuple[Report, Report]:
    folder = tmp_path_factory.mktemp("pages")
    return (
        report_of(built(folder / "a")),
        report_of(built(folder / "b", Io.PARALLEL, board="u280")),
    )


@pytest.fixture(scope="module")
def pages(reports: tuple[Report, Report]) -> tuple[str, str, str]:
    return page(reports[0]), page(reports[1]), comparison_page(compared(*reports))


def test_html_is_sound_and_loads_nothing(pages: tuple[str, str, str]) -> None:
    for text in pages:
        read = Reader(text)
        assert "link" not in read.tags
        for name, value in read.attributes:
            assert name not in ("src", "srcset", "onclick", "action"), (name, value)
            assert name != "href" or value.startswith("#")
        style = text[text.index("<style>") : text.index("</style>")]
        assert not re.search(r"url\((?!#)|@import", style)
        ids = [value for name, value in read.attributes if name == "id"]
        assert len(ids) == len({*ids})
        links = {value[1:] for name, value in read.attributes if name == "href"}
        assert links <= {*ids}


def test_names_of_a_file_are_text(pages: tuple[str, str, str]) -> None:
    for text, scripts in zip(pages, (1, 1, 0), strict=True):
        assert EVIL not in text
        read = Reader(text)
        assert read.tags.count("script") == scripts
        assert 'alert("1")' in read.text


def test_svg_is_sound(pages: tuple[str, str, str]) -> None:
    for text in pages[:2]:
        drawings = re.findall(r"<svg.*?</svg>", text, re.DOTALL)
        assert len(drawings) == 2
        network, timeline = map(ET.fromstring, drawings)
        _, _, width, height = map(float, network.get("viewBox", "").split())
        boxes = [g.find("rect") for g in network.iter("g") if "box" in g.get("class", "")]
        assert len(boxes) == 6 + 2
        for box in boxes:
            assert box is not None
            assert 0 <= float(box.get("x", "-1")) <= width - float(box.get("width", "0"))
            assert 0 <= float(box.get("y", "-1")) <= height - float(box.get("height", "0"))
        assert all(svg.get("aria-label") for svg in (network, timeline))
        for line in network.iter("path"):
            assert "nan" not in line.get("d", "")


def test_every_operator_has_its_box_and_its_details(
    reports: tuple[Report, Report], pages: tuple[str, str, str]
) -> None:
    for report, text in zip(reports, pages, strict=False):
        read = Reader(text)
        for layer in report.layers:
            assert ("data-target", f"layer-{layer.index}") in read.attributes
            assert ("id", f"layer-{layer.index}") in read.attributes
            assert f"{layer.outputs[0].low:,} to {layer.outputs[0].high:,}" in read.text


def test_figures_say_how_they_were_found(
    reports: tuple[Report, Report], pages: tuple[str, str, str]
) -> None:
    stream, parallel = (Reader(text).text for text in pages[:2])
    plan, pipeline = reports[0].streaming, reports[1].pipeline
    assert plan is not None
    assert pipeline is not None
    assert f"A frame every {plan.interval:,} cycles" in stream
    resources = {r.name: r.estimate for r in reports[0].board.resources}
    assert f"{resources['LUT']:,.0f} of {reports[0].board.resources[0].budget:,}" in stream
    assert "no vendor tool was run" in stream
    assert "Not measured yet" in parallel
    assert f"{pipeline.luts:,.0f} of {reports[1].board.resources[0].budget:,}" in parallel
    assert "SLR2" in parallel


@pytest.mark.skipif(not BROWSER, reason="needs chromium or google-chrome on PATH")
def test_a_browser_runs_it(pages: tuple[str, str, str], tmp_path: Path) -> None:
    """The script is done, shows the first choice, and follows clicks and keys."""
    file = tmp_path / "page.html"
    press = """<script>
      var boxes = document.querySelectorAll(".box.linked"), said = [];
      function say() { said.push(document.documentElement.dataset.chosen); }
      say();
      boxes[3].dispatchEvent(new MouseEvent("click", { bubbles: true })); say();
      boxes[4].focus();
      boxes[4].dispatchEvent(new KeyboardEvent("keydown", { key: "Enter", bubbles: true })); say();
      document.querySelector("td a[data-target='layer-1']").click(); say();
      document.documentElement.dataset.said = said.join(" ");
      document.documentElement.dataset.shown = document.querySelectorAll("#panel .shown").length;
    </script>"""
    file.write_text(pages[0].replace("</body>", press + "</body>"))
    done = subprocess.run(
        [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=2000",
         f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom", file.as_uri()],
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    (root,) = re.findall(r"<html[^>]*>", done.stdout)
    assert 'data-ready="yes"' in root
    first, *rest = re.findall(r'data-said="([^"]*)"', root)[0].split(" ")
    assert re.fullmatch(r"layer-\d", first)
    assert rest == ["layer-2", "layer-3", "layer-1"]  # box 0 is the input
    assert 'data-shown="1"' in root
