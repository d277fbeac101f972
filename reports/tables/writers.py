"""A table as Markdown, LaTeX or CSV; every text is escaped for its format."""

from __future__ import annotations

import csv
import html
import io
import re
from collections.abc import Callable, Iterable
from itertools import zip_longest

from talkbench.reports.tables.table import CONTRADICTIONS, SYSTEMS, Cell, Line, Table

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
    "×": r"$\times$",
    "-": "-{}",  # two of them are no dash
    "–": "--",
    "−": "$-$",
    "†": r"\textdagger{}",
    "‡": r"\textdaggerdbl{}",
    "§": r"\S{}",
    "¶": r"\P{}",
    "‖": r"$\|$",
}


def to_markdown(*tables: Table) -> str:
    """GitHub-flavoured Markdown: each table with its notes as a list."""
    return "\n".join(map(_markdown_table, tables))


def _markdown_table(table: Table) -> str:
    def cell(cell: Cell) -> str:
        text = _markdown(cell.text)
        text = f"**{text}**" if cell.best else f"<ins>{text}</ins>" if cell.second else text
        return text + _raised(cell.marks, "<sup>{}</sup>", _markdown)

    def label(line: Line) -> str:
        text = _markdown(line.label) + _raised(line.marks, "<sup>{}</sup>", _markdown)
        return f"↳ {text}" if line.indent else text

    def row(cells: Iterable[str]) -> str:
        return f"| {' | '.join(cells)} |"

    heads = _heads(table)
    rows = [row([_markdown(table.corner), *map(_markdown, heads)]), row([":--", *["--:"] * len(heads)])]
    for block in table.blocks:
        rows.append(row([f"*{_markdown(block.title)}*", *[""] * len(heads)]))
        rows += [row([label(line), *map(cell, line.cells)]) for line in block.lines]
    notes = [f"- <sup>{_markdown(mark)}</sup> {_markdown(text)}" for mark, text in table.notes]
    notes += [f"- {_markdown(text)}" for text in table.remarks]
    if table.contradictions:
        notes += ["", f"{CONTRADICTIONS}:", "", *(f"- {_markdown(text)}" for text in table.contradictions)]
    return "\n".join([f"**{_markdown(table.title)}**", "", *rows, "", *notes, ""])


def to_latex(*tables: Table) -> str:
    """LaTeX tables with the rules of booktabs, their notes below."""
    return "\n".join([r"% needs \usepackage{booktabs,graphicx}", *map(_latex_table, tables)])


def _latex_table(table: Table) -> str:
    def cell(cell: Cell) -> str:
        text = _latex(cell.text)
        text = rf"\textbf{{{text}}}" if cell.best else rf"\underline{{{text}}}" if cell.second else text
        return text + _raised(cell.marks, r"\textsuperscript{{{}}}", _latex)

    def label(line: Line) -> str:
        marks = _raised(line.marks, r"\textsuperscript{{{}}}", _latex)
        return r"\quad " * line.indent + _latex(line.label) + marks

    def row(cells: Iterable[str]) -> str:
        return " & ".join(cells) + r" \\"

    body = [*_latex_groups(table), row([_latex(table.corner), *map(_latex, table.columns)])]
    for block in table.blocks:
        body += [r"\midrule", rf"\multicolumn{{{len(table.columns) + 1}}}{{l}}{{\textit{{{_latex(block.title)}}}}} \\"]
        body += [row([label(line), *map(cell, line.cells)]) for line in block.lines]
    notes = [rf"\textsuperscript{{{_latex(mark)}}}~{_latex(text)}" for mark, text in table.notes]
    notes += [_latex(text) for text in table.remarks]
    return "\n".join(
        [
            r"\begin{table}[htbp]",
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
            *_latex_contradictions(table),
            "",
        ]
    )


def _latex_contradictions(table: Table) -> list[str]:
    """The contradictions, as text after the table: text may run over several pages, a table may not."""
    if not table.contradictions:
        return []
    texts = [rf"\textit{{{_latex(table.title)}. {CONTRADICTIONS}:}}", *map(_latex, table.contradictions)]
    return [r"{\footnotesize\raggedright\medskip\noindent", "\n\\par\\noindent ".join(texts), r"\par}"]


def _latex_groups(table: Table) -> list[str]:
    """The headings above the columns, each with a rule below."""
    if not table.groups:
        return []
    cells, rules, first = [""], [], 2
    for heading, span in table.groups:
        cells.append(rf"\multicolumn{{{span}}}{{c}}{{{_latex(heading)}}}")
        if heading:
            rules.append(rf"\cmidrule(lr){{{first}-{first + span - 1}}}")
        first += span
    return [" & ".join(cells) + r" \\", " ".join(rules)]


def to_csv(*tables: Table) -> str:
    """CSV for a program: table, block, system and its notes, line, then per column the bare number (empty if there is
    none, ``inf``) and its notes in full. Several tables share the columns of one heading; others stay empty there."""
    heads = [_heads(table) for table in tables]
    columns = list(dict.fromkeys(head for names in heads for head in names))
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    label = tables[0].corner.lower()
    writer.writerow(
        [
            "table",
            "block",
            label,
            f"{label} notes",
            "line",
            *(plain(head + kind) for head in columns for kind in ("", " notes")),
        ]
    )
    for table, names in zip(tables, heads, strict=True):
        texts = dict(table.notes)
        for block in table.blocks:
            system = ""
            for line in block.lines:
                system = system if line.kind not in SYSTEMS else line.label
                fields = dict(zip(names, line.cells, strict=True))
                cells = [_csv_cell(fields.get(head, Cell("")), texts) for head in columns]
                marks = "; ".join(texts[mark] for mark in line.marks)
                start = [table.title, block.title, system, marks, line.kind]
                writer.writerow(map(plain, [*start, *(text for pair in cells for text in pair)]))
    return file.getvalue()


def _heads(table: Table) -> list[str]:
    groups = [heading for heading, span in table.groups for _ in range(span)]
    return [" ".join(filter(None, pair)) for pair in zip_longest(groups, table.columns, fillvalue="")]


_CSV_NUMBERS = {"–": "", "n/a": "", "∞": "inf"}


def _csv_cell(cell: Cell, texts: dict[str, str]) -> tuple[str, str]:
    """The number and its notes."""
    number = _CSV_NUMBERS.get(cell.text, cell.text.replace("−", "-"))
    missing = ["not reported"] if cell.text == "–" else []
    return number, "; ".join([*missing, *(texts[mark] for mark in cell.marks)])


def _raised(marks: tuple[str, ...], pattern: str, escape: Callable[[str], str]) -> str:
    return pattern.format(",".join(map(escape, marks))) if marks else ""


def _one_line(text: str) -> str:
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())


def _markdown(text: str) -> str:
    return re.sub(r"([\\`*_\[\]{}|~$#])", r"\\\1", html.escape(_one_line(text), quote=False))


def _latex(text: str) -> str:
    return "".join(_LATEX.get(char, char) for char in _one_line(text))


def plain(text: str) -> str:
    """One line, and never a formula to a spreadsheet: text that starts like one gets an apostrophe."""
    text = _one_line(text)
    try:
        float(text)
    except ValueError:
        return f"'{text}" if text.startswith(("=", "+", "-", "@")) else text
    return text
