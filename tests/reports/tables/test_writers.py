"""The formats: every text escaped, every number readable again."""

import csv
import io
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from talkbench.reports.pages.table_page import to_html
from talkbench.reports.runs import Run
from talkbench.reports.tables.composition import measured_tables, published_table
from talkbench.reports.tables.layout import names
from talkbench.reports.tables.table import Cell, Line, Table, TableBlock
from talkbench.reports.tables.writers import to_csv, to_latex, to_markdown
from talkbench.results import RunStore, published

MakeStore = Callable[..., RunStore]

HTML = "<script>alert('1')</script>"
TEX = r'\input{x} $1$ 100% #1 a_b^c ~ & [h] * "q" |p|'
MARKDOWN = "a|b *c* _d_ [e](f) `g`\n# h"
FORMULA = "=cmd()"


def hostile(text: str) -> Table:
    cell = Cell(text, best=True, marks=("†",))
    line = Line(text, (cell,), marks=("†",))
    return Table(text, (text,), (TableBlock(text, (line,)),), (("†", text),), (text,), (text,), ((text, 1),))


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
    values = {"l1": [0.1], "psnr": [float("inf")], "akd@mtcnn5": ["lost"]}
    table = published_table([Run.load(make_store(values=values, dataset={"name": "voxceleb1", "image_size": 256}))])
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
    assert "-1.5" in to_csv(Table("t", ("x",), (TableBlock("b", (Line("s", (Cell("-1.5"),)),)),)))


@pytest.mark.parametrize("write", [to_markdown, to_latex, to_csv, to_html])
def test_every_format_prints_the_measured_rows(make_store: MakeStore, write: Callable[[Table], str]) -> None:
    text = write(*measured_tables([Run.load(make_store())]))
    for expected in ("0.2500", "21.50", "mcnet@demo"):
        assert expected in text
