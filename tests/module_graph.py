"""The imports of a tree of Python files, read and not run: who imports whom, where, and in which circles."""

import ast
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from itertools import pairwise
from pathlib import Path

PACKAGE = "talkbench"  # the name of the root


@dataclass(frozen=True)
class Import:
    """One name that a module imports.

    Attributes:
        where: file and line.
        importer: the module, by its name below the root; "" is the root's ``__init__``.
        name: what is imported, in full.
        late: in a function, and so not when the module is imported.
        typing: for the type checker alone.
    """

    where: str
    importer: str
    name: str
    late: bool
    typing: bool

    def __str__(self) -> str:
        return f"{self.where} imports {self.name}"


def modules(root: Path, folders: Iterable[str]) -> dict[str, Path]:
    """The files of the modules in some folders of `root` and of the root's ``__init__``, by the modules' names."""
    files = [root / "__init__.py", *(file for folder in folders for file in sorted((root / folder).rglob("*.py")))]
    return {_name(file.relative_to(root)): file for file in files if file.is_file()}


def _name(file: Path) -> str:
    return ".".join(file.parent.parts if file.stem == "__init__" else file.with_suffix("").parts)


def imports(root: Path, files: dict[str, Path]) -> list[Import]:
    """Every import of every module, in the order of files and lines."""
    found = []
    for module, file in files.items():
        where = file.relative_to(root)
        for node, late, typing in _statements(ast.parse(file.read_text(encoding="utf-8"))):
            for name in _names(node, [PACKAGE, *where.parent.parts]):
                found.append(Import(f"{where.as_posix()}:{node.lineno}", module, name, late, typing))
    return found


def _statements(
    node: ast.AST, late: bool = False, typing: bool = False
) -> Iterator[tuple[ast.Import | ast.ImportFrom, bool, bool]]:
    """The import statements below a node; whether each is in a function, and under ``if TYPE_CHECKING``."""
    if isinstance(node, ast.Import | ast.ImportFrom):
        yield node, late, typing
    elif isinstance(node, ast.If) and re.fullmatch(r"(\w+\.)?TYPE_CHECKING", ast.unparse(node.test)):
        yield from (statement for child in node.body for statement in _statements(child, late, True))
        yield from (statement for child in node.orelse for statement in _statements(child, late, typing))
    else:
        late |= isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        yield from (found for child in ast.iter_child_nodes(node) for found in _statements(child, late, typing))


def _names(node: ast.Import | ast.ImportFrom, package: list[str]) -> Iterator[str]:
    """The full names that an import statement in a module of `package` may load."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
        return
    base = package[: len(package) - node.level + 1] if node.level else []
    yield from (".".join([*base, *filter(None, [node.module]), alias.name]) for alias in node.names)


def imported(name: str, files: dict[str, Path]) -> str | None:
    """The module of the tree in which what is imported is found: itself, or what defines it; None: a library's.

    A package stands for its ``__init__``. So a submodule does not lead to that of its package, and what is defined
    there does.
    """
    top, _, rest = name.partition(".")
    if top != PACKAGE:
        return None
    while rest and rest not in files:
        rest = rest.rpartition(".")[0]
    return rest


def circles(found: Iterable[Import], files: dict[str, Path]) -> list[list[Import]]:
    """Imports that lead back to where they start; each circle once, and all are gone if the last of each goes."""
    edges: dict[tuple[str, str], Import] = {}
    for one in found:
        target = None if one.typing else imported(one.name, files)
        if target is not None:
            edges.setdefault((one.importer, target), one)
    result = []
    while True:
        graph: dict[str, list[str]] = {}
        for importer, target in edges:
            graph.setdefault(importer, []).append(target)
        try:
            TopologicalSorter(graph).prepare()
        except CycleError as error:
            steps = error.args[1][::-1]  # it tells who is imported before who imports
            result.append([edges[step] for step in pairwise(steps)])
            del edges[steps[-2], steps[-1]]
        else:
            return result
