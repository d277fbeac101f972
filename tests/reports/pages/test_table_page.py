"""Tables as a page: every text escaped, tags that nest, every digit."""

from html.parser import HTMLParser

from talkbench.reports.pages.table_page import to_html
from talkbench.reports.tables.composition import published_table
from talkbench.reports.tables.table import Cell, Line, Table, TableBlock

HTML = "<script>alert('1')</script>"


def hostile(text: str) -> Table:
    cell = Cell(text, best=True, marks=("†",))
    line = Line(text, (cell,), marks=("†",))
    return Table(text, (text,), (TableBlock(text, (line,)),), (("†", text),), (text,), (text,), ((text, 1),))


def test_html_is_escaped_everywhere() -> None:
    page = to_html(hostile(HTML))
    assert "<script" not in page
    assert page.count("&lt;script&gt;") == 11


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
