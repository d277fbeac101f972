"""Counts assigned names that are pro-forms, which say where a thing comes from and not what it is.

``python tests/pro_forms.py`` prints the count of each folder and of all modules, and the files with the most.
"""

import ast
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from tree import ROOT, tree

PRO_FORMS = {"found", "known", "mine", "theirs", "ours", "made", "wanted", "shown", "given", "rest"}
WORST = 10  # files that are printed


def assigned_names(source: str) -> list[str]:
    """The names that Python `source` gives to something: to variables, parameters, functions, classes, attributes.

    A name counts as often as it is assigned.
    """
    return [name for node in ast.walk(ast.parse(source)) for name in _names(node)]


def _names(node: ast.AST) -> Iterator[str]:
    match node:
        case ast.Name(id=name, ctx=ast.Store()) | ast.Attribute(attr=name, ctx=ast.Store()):
            yield name
        case ast.arg(arg=name):
            yield name
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            yield name


def pro_forms(source: str) -> int:
    """How many of the names that Python `source` assigns are pro-forms."""
    return sum(name in PRO_FORMS for name in assigned_names(source))


def report(counts: Iterable[tuple[Path, int, int]]) -> Iterator[str]:
    """The lines that the script prints, from the path, the pro-forms and the assigned names of each file."""
    files = list(counts)
    folders = Counter[str]()
    for path, count, _ in files:
        folders[path.parts[0]] += count
    yield from (f"{count:6}  {folder}" for folder, count in sorted(folders.items()))
    yield f"{folders.total():6}  of {sum(names for _, _, names in files)} assigned names"
    worst = sorted((file for file in files if file[1]), key=lambda file: -file[1])[:WORST]
    yield from (f"{count:6}  {path.as_posix()}" for path, count, _ in worst)


def main() -> None:
    """Print the report on the modules of the checkout, without its tests."""
    modules = [path for path in tree() if path.suffix == ".py" and path.parts[0] != "tests"]
    texts = {path: (ROOT / path).read_text(encoding="utf-8") for path in modules}
    counts = ((path, pro_forms(text), len(assigned_names(text))) for path, text in texts.items())
    sys.stdout.writelines(f"{line}\n" for line in report(counts))


if __name__ == "__main__":
    main()
