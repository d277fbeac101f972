"""A table as Markdown, LaTeX, CSV or HTML; every text is escaped for its format."""

from __future__ import annotations

import csv
import html
import io
import re
from collections.abc import Callable, Iterable

from talkbench.reports.model import Cell, Table

_LATEX = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "%": r"\%",
    "_": r"\_",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': "''",
    "[": "{[}",  # after a line's \\ a bracket or a star would be taken for its argument
    "]": "{]}",
    "*": "{*}",
    "↑": r"$\uparrow$",
    "↓": r"$\downarrow$",
    "∞": r"$\infty$",
    "–": "--",
    "†": r"\textdagger{}",
    "‡": r"\textdaggerdbl{}",
    "§": r"\S{}",
    "¶": r"\P{}",
    "‖": r"$\|$",
}


def to_markdown(table: Table) -> str:
    """GitHub-flavoured Markdown: one table, then its notes as a list."""

    def cell(cell: Cell) -> str:
        text = _markdown(cell.text)
        return (f"**{text}**" if cell.best else text) + _raised(cell.marks, "<sup>{}</sup>", _markdown)

    def line(cells: Iterable[str]) -> str:
        return f"| {' | '.join(cells)} |"

    rows = [line(["System", *map(_markdown, table.columns)]), line([":--", *["--:"] * len(table.columns)])]
    for block in table.blocks:
        rows.append(line([f"*{_markdown(block.title)}*", *[""] * len(table.columns)]))
        rows += [line([_markdown(system.label), *map(cell, system.cells)]) for system in block.lines]
    notes = [f"- <sup>{_markdown(mark)}</sup> {_markdown(text)}" for mark, text in table.notes]
    notes += [f"- {_markdown(text)}" for text in table.remarks]
    return "\n".join([f"**{_markdown(table.title)}**", "", *rows, "", *notes, ""])


def to_latex(table: Table) -> str:
    """A LaTeX table with the rules of booktabs, its notes below."""

    def cell(cell: Cell) -> str:
        text = _latex(cell.text)
        return (rf"\textbf{{{text}}}" if cell.best else text) + _raised(cell.marks, r"\textsuperscript{{{}}}", _latex)

    def line(cells: Iterable[str]) -> str:
        return " & ".join(cells) + r" \\"

    body = [line(["System", *map(_latex, table.columns)])]
    for block in table.blocks:
        body += [r"\midrule", rf"\multicolumn{{{len(table.columns) + 1}}}{{l}}{{\textit{{{_latex(block.title)}}}}} \\"]
        body += [line([_latex(system.label), *map(cell, system.cells)]) for system in block.lines]
    notes = [rf"\textsuperscript{{{_latex(mark)}}}~{_latex(text)}" for mark, text in table.notes]
    notes += [_latex(text) for text in table.remarks]
    return "\n".join(
        [
            r"% needs \usepackage{booktabs,graphicx}",
            r"\begin{table}",
            r"\centering\small",
            rf"\caption{{{_latex(table.title)}}}\smallskip",
            r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%",
            rf"\begin{{tabular}}{{l{'r' * len(table.columns)}}}",
            r"\toprule",
            *body,
            r"\bottomrule",
            r"\end{tabular}}",
            r"\par\smallskip\begin{minipage}{\linewidth}\footnotesize\raggedright",
            "\n\\par ".join(notes),
            r"\end{minipage}",
            r"\end{table}",
            "",
        ]
    )


def to_csv(table: Table) -> str:
    """CSV for a program: block, system, then per column the bare number (empty if there is none, ``inf``)
    and its notes in full."""
    texts, file = dict(table.notes), io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(["block", "system", *(_plain(head + kind) for head in table.columns for kind in ("", " notes"))])
    for block in table.blocks:
        for line in block.lines:
            cells = [(_CSV_NUMBERS.get(cell.text, cell.text), _csv_notes(cell, texts)) for cell in line.cells]
            writer.writerow(map(_plain, [block.title, line.label, *(text for pair in cells for text in pair)]))
    return file.getvalue()


def to_html(table: Table) -> str:
    """A whole HTML page with the table and its notes."""
    from talkbench.reports.templates import render

    return render("table_page.html", table=table)


_CSV_NUMBERS = {"–": "", "n/a": "", "∞": "inf"}


def _csv_notes(cell: Cell, texts: dict[str, str]) -> str:
    return "; ".join([*(["not reported"] if cell.text == "–" else []), *(texts[mark] for mark in cell.marks)])


def _raised(marks: tuple[str, ...], pattern: str, escape: Callable[[str], str]) -> str:
    return pattern.format(",".join(map(escape, marks))) if marks else ""


def _one_line(text: str) -> str:
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())


def _markdown(text: str) -> str:
    return re.sub(r"([\\`*_\[\]{}|~$#])", r"\\\1", html.escape(_one_line(text), quote=False))


def _latex(text: str) -> str:
    return "".join(_LATEX.get(char, char) for char in _one_line(text))


def _plain(text: str) -> str:
    """One line, and never a formula to a spreadsheet: text that starts like one gets an apostrophe."""
    text = _one_line(text)
    try:
        float(text)
    except ValueError:
        return f"'{text}" if text.startswith(("=", "+", "-", "@")) else text
    return text
