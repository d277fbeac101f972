"""References to the specs are written as CONTRIBUTING.md says, and each leads to a section that is there."""

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from tree import ROOT, tree

SLUGS = "|".join(path.stem for path in sorted((ROOT / "docs" / "specs").glob("[a-z]*.md")))
SECTION = r"(?:\d+(?:\.\d+)*|\"[^\"\n]+\")"
REFERENCE = re.compile(rf"((?:docs/specs|tests/golden/\w+)/[\w.-]+\.md)`?(?: ({SECTION}(?:, {SECTION})*))?")
HEADING = re.compile(r"^#+ (?:(\d+(?:\.\d+)*)\.? )?(.+)$", re.MULTILINE)
OTHER_FORMS = re.compile(
    rf"docs/specs/[\w.-]+|\bspecs?,? (?:of |in )?(?:{SLUGS})\b|\b(?:{SLUGS}),? \d+\.\d+\b|\bspecs'? section\b"
    r"|\"Block: [^\"]*|(?<=\w )\(\d\.\d\)(?=[.;:]?(?:\"\"\"|$))",
    re.IGNORECASE | re.MULTILINE,
)


@cache
def sections(file: str) -> set[str]:
    """What may follow the name of a file: the numbers of its headings and, in quotes, their titles."""
    headings = HEADING.findall((ROOT / file).read_text(encoding="utf-8"))
    return {number for number, _ in headings} | {f'"{title}"' for _, title in headings}


def faults(text: str, whole_files: bool) -> Iterator[str]:
    """What is wrong with the references in `text`, which may name files without a section if `whole_files`."""
    for reference, file, listed in ((match[0], *match.groups()) for match in REFERENCE.finditer(text)):
        if not (ROOT / file).is_file():
            yield f"{reference}: no such file"
        elif not listed and file.startswith("docs/specs/") and not whole_files:
            yield f"{reference}: no section on the same line"
        else:
            named = re.findall(SECTION, listed or "")
            yield from (f"{file} has no section {section}" for section in named if section not in sections(file))
    yield from (f"{match[0]}: not the form of a reference" for match in OTHER_FORMS.finditer(REFERENCE.sub("", text)))


def holds_references(path: Path) -> bool:
    inside_specs = path.is_relative_to("docs/specs") or path.is_relative_to("tests/golden")
    return path.suffix in {".py", ".yaml", ".html", ".md", ".js", ".toml"} and not inside_specs


def test_every_reference_leads_to_a_section():
    wrong = [
        f"{path}: {fault}"
        for path in tree()
        if holds_references(path) and path.name != Path(__file__).name
        for fault in faults((ROOT / path).read_text(encoding="utf-8"), whole_files=path.suffix == ".md")
    ]
    assert not wrong, "\n".join(["", *wrong])


def test_the_specs_name_files_that_are_there():
    """Each other, the goldens, and what else of the repository they name with its folder."""
    folders, suffixes = "core|docs|methods|metrics|results|tests|training", "py|md|csv|yaml|json|npz"
    name = re.compile(rf"`((?:{folders})/[\w/.-]+\.(?:{suffixes})|[a-z][\w-]*\.md)`")
    specs = [path for path in tree() if path.is_relative_to("docs/specs")]
    goldens = [path for path in tree() if path.is_relative_to("tests/golden") and path.suffix == ".md"]
    missing = [
        f"{path}: {file}"
        for path in specs + goldens
        for file in name.findall((ROOT / path).read_text(encoding="utf-8"))
        if not (ROOT / file).is_file() and not (ROOT / path.parent / file).is_file()
    ]
    assert len(specs) > 10
    assert missing == []


def test_every_spec_is_in_their_list():
    listed = re.findall(r"^\| \[([\w-]+\.md)\]\(\1\) \|", (ROOT / "docs/specs/README.md").read_text(), re.MULTILINE)
    assert listed == sorted(path.name for path in (ROOT / "docs" / "specs").glob("*.md") if path.name != "README.md")


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("# (docs/specs/mcnet.md 2.4, 8, docs/specs/fomm.md \"Block: hourglass\", step 3)", None),
        ("# by the names of tests/golden/mcnet/golden.md", None),
        ("# docs/specs/mcnett.md 2.4", "docs/specs/mcnett.md 2.4: no such file"),
        ("# docs/specs/mcnet.md 2.4, 2.44", "docs/specs/mcnet.md has no section 2.44"),
        ('# docs/specs/fomm.md "Block: glass"', 'docs/specs/fomm.md has no section "Block: glass"'),
        ("# docs/specs/mcnet.md\n# 2.4", "docs/specs/mcnet.md: no section on the same line"),
        ("# docs/specs/mcnet 2.4", "docs/specs/mcnet: not the form of a reference"),
        ("# the loss (specs mcnet 5.1)", "specs mcnet: not the form of a reference"),
        ("# the loss (mcnet 5.1)", "mcnet 5.1: not the form of a reference"),
        ("# the loss (5.1)", "(5.1): not the form of a reference"),
        ('# the loss ("Block: LSGAN")', '"Block: LSGAN: not the form of a reference'),
    ],
)  # fmt: skip
def test_a_fault_is_found(text, fault):
    assert list(faults(text, whole_files=False)) == ([fault] if fault else [])
