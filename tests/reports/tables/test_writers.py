"""The formats: every text escaped, every number readable again."""

import csv
import io
import re
import shutil
import subprocess
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest
from rich.console import Console

from talkbench.reports.runs import Run
from talkbench.reports.tables.composition import measured_table, published_table
from talkbench.reports.tables.layout import names
from talkbench.reports.tables.table import Block, Cell, Line, Table
from talkbench.reports.tables.terminal import print_table, print_terminal
from talkbench.reports.tables.writers import to_csv, to_html, to_latex, to_markdown
from talkbench.results import RunStore, published

MakeStore = Callable[..., RunStore]

HTML = "<script>alert('1')</script>"
TEX = r'\input{x} $1$ 100% #1 a_b^c ~ & [h] * "q" |p|'
MARKDOWN = "a|b *c* _d_ [e](f) `g`\n# h"
FORMULA = "=cmd()"


def hostile(text: str) -> Table:
    cell = Cell(text, best=True, marks=("†",))
    line = Line(text, (cell,), marks=("†",))
    return Table(text, (text,), (Block(text, (line,)),), (("†", text),), (text,), (text,), ((text, 1),))


def test_html_is_escaped_everywhere() -> None:
    page = to_html(hostile(HTML))
    assert "<script" not in page
    assert page.count("&lt;script&gt;") == 11


def test_markdown_is_escaped_everywhere() -> None:
    text = to_markdown(hostile(HTML + MARKDOWN))
    assert "<script" not in text
    assert "\n# h" not in text
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows} == {3}
    assert not re.search(r"(?<!\\)`", text)


def test_latex_is_escaped_everywhere() -> None:
    text = to_latex(hostile(TEX))
    assert r"\input" not in text
    assert text.count(r"\textbackslash{}input\{x\} \$1\$ 100\% \#1 a\_b\textasciicircum{}c") == 10
    body = text.split(r"\begin{tabular}{lr}")[1].split(r"\end{tabular}")[0]
    assert all(len(re.findall(r"(?<!\\)&", row)) in (0, 1) for row in body.splitlines())


def test_latex_is_well_formed(make_store: MakeStore) -> None:
    text = to_latex(*(published_table([Run.load(make_store())], name) for name in names()), hostile(TEX))
    ends: list[str] = []
    for kind, name in re.findall(r"\\(begin|end)\{(\w+)\}", text):
        if kind == "begin":
            ends.append(name)
        else:
            assert ends.pop() == name
    assert ends == []
    bare = re.sub(r"\\[{}]", "", text)
    assert bare.count("{") == bare.count("}")
    for columns, body in re.findall(r"\\begin\{tabular\}\{l(r+)\}(.*?)\\end\{tabular\}", text, re.S):
        for row in re.findall(r"^(.*) \\\\$", body, re.M):
            spans = sum(int(span) - 1 for span in re.findall(r"\\multicolumn\{(\d+)\}", row))
            assert len(re.findall(r"(?<!\\)&", row)) + spans == len(columns)


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not installed")
def test_latex_compiles(tmp_path: Path, make_store: MakeStore) -> None:
    tables = [published_table([Run.load(make_store())], name) for name in names()]
    tables.append(hostile(TEX + MARKDOWN + HTML))
    head = r"\documentclass{article}\usepackage{booktabs,graphicx}\begin{document}"
    (tmp_path / "t.tex").write_text(head + to_latex(*tables) + r"\end{document}", encoding="utf-8")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "t.tex"]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout[-2000:]


def test_csv_reads_back(make_store: MakeStore) -> None:
    table = published_table(
        [Run.load(make_store(values={"l1": [0.1], "psnr": [float("inf")], "akd@mtcnn5": ["lost"]}))]
    )
    rows = list(csv.DictReader(io.StringIO(to_csv(table))))
    printed = [row[head] for row in rows[:9] for head in table.columns]
    assert printed == [cell.value for cell in published.table("paper", "1a")]
    measured = rows[9]
    assert (measured["L1 ↓"], measured["PSNR (dB) ↑"], measured["AKD (px) ↓"]) == ("0.1000", "inf", "")
    assert "1 lost" in measured["AKD (px) ↓ notes"]
    assert rows[1]["L1 ↓ notes"] == "not reported"


def test_csv_holds_no_formulas() -> None:
    for text in csv.reader(io.StringIO(to_csv(hostile(FORMULA)))):
        assert not any(field.startswith("=") for field in text)
    assert "-1.5" in to_csv(Table("t", ("x",), (Block("b", (Line("s", (Cell("-1.5"),)),)),)))


class WellFormed(HTMLParser):
    """Checks that tags nest, and collects them with the text between."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.cells: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in ("td", "th"):
            self.cells.append("")
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] in ("td", "th", "strong"):
            self.cells[-1] += data


def test_html_is_well_formed_and_has_every_digit() -> None:
    parser = WellFormed()
    parser.feed(to_html(published_table([])))
    assert parser.open == []
    for line in published_table([]).blocks[0].lines:
        start = parser.cells.index(line.label)
        assert parser.cells[start + 1 : start + 7] == [cell.text for cell in line.cells]


@pytest.mark.parametrize("write", [to_markdown, to_latex, to_csv, to_html])
def test_every_format_prints_the_measured_rows(make_store: MakeStore, write: Callable[[Table], str]) -> None:
    text = write(measured_table([Run.load(make_store())]))
    for expected in ("0.2500", "21.50", "mcnet@demo"):
        assert expected in text


def test_the_terminal_shows_means_counts_and_reasons(make_store: MakeStore) -> None:
    values = {"l1": [0.1, 0.2], "psnr": [20.0, float("inf")], "akd@mtcnn5": ["no-face-generated", 2.0]}
    unavailable = [{"name": "lpips@vgg", "reason": "[red]vgg16.pth[/red] is missing"}]
    run = Run.load(make_store("[bold]m", values, unavailable=unavailable))
    console = Console(width=120, record=True, file=io.StringIO())
    print_terminal(run.record, run.summary, console)
    print_table(published_table([run]), console)
    text = console.export_text()
    for expected in ("[bold]m on demo", "0.1500", "1 no-face-generated", "1 infinite", "2 not evaluated yet", "px ↓"):
        assert expected in text
    assert "lpips@vgg: [red]vgg16.pth[/red] is missing" in text
    assert "82.5" in text


def test_a_narrow_terminal_cuts_no_digits() -> None:
    out = io.StringIO()
    print_table(published_table([]), Console(file=out, width=60))
    printed = out.getvalue()
    assert all(cell.value in printed for cell in published.table("paper", "1a") if cell.value)
