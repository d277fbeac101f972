"""The papers' numbers by the lines of their tables."""

from talkbench.results.published import cells
from talkbench.results.published.lines import published_lines


def test_every_printed_cell_is_in_one_line() -> None:
    lines = published_lines()
    assert len({line.name for line in lines}) == len(lines)
    assert sum(len(line.cells) for line in lines) == len(cells())
    mraa = next(line for line in lines if line.name == "published-paper-1a--mraa--voxceleb1--same-identity")
    assert (mraa.label, mraa.provenance, mraa.cell("SSIM").value) == ("MRAA", "published", "80.0")
    assert mraa.cell("FID") is None
    assert all(cell.provenance for line in lines for cell in line.cells if cell.value)
