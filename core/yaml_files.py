"""The one reader of YAML: whatever a text does to the parser, the error is one line with the place."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from pydantic import BaseModel, ValidationInfo

from talkbench.core.errors import TalkbenchError
from talkbench.core.files import is_there, read_regular
from talkbench.core.text import visible

if TYPE_CHECKING:
    import yaml

MAX_BYTES = 4_000_000


def read_yaml(path: Path) -> Any:
    """What a YAML file says.

    Raises:
        TalkbenchError: there is no such file, it is no file, too large, not UTF-8 or no YAML; names file and line.
    """
    if not is_there(path):
        raise TalkbenchError(f"there is no file {path}; check the path")
    data = read_regular(path, MAX_BYTES)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise TalkbenchError(f"{path}, line {line}: not UTF-8; save the file as UTF-8") from error
    return parse_yaml(text, str(path))


def parse_yaml(text: str, source: str) -> Any:
    """What the YAML `text` says.

    Args:
        source: what the text is called in the message.

    Raises:
        TalkbenchError: it is no YAML, a value is none of its kind, or a key stands twice.
    """
    import yaml

    try:
        return deepcopy(_content(text))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        problem = visible(" ".join(str(error.problem or error.context).split()))
        raise TalkbenchError(f"{source}{where}: {problem}; mend the YAML") from error
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise TalkbenchError(f"{source}, line {line}: {error.reason}; mend the YAML") from error
    except RecursionError as error:
        raise TalkbenchError(f"{source}: nested too deep; mend the YAML") from error


@lru_cache(256)
def _content(text: str) -> Any:
    """The same files are asked for again and again in a process, and their parser is slow."""
    import yaml

    return yaml.load(text, _loader())  # noqa: S506


@cache
def _loader() -> type[yaml.SafeLoader]:
    """PyYAML's safe loader, whose every failure has a place, and which refuses a key that stands twice."""
    import yaml
    from yaml.constructor import ConstructorError

    class Loader(yaml.SafeLoader):
        def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
            node: yaml.Node | None = super().compose_node(parent, index)
            if node is not None and node.end_mark is None:  # an alias of what has not ended
                raise ConstructorError(None, None, "an alias stands inside what it names", node.start_mark)
            return node

        def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
            try:
                return super().construct_object(node, deep)
            except (yaml.YAMLError, RecursionError):
                raise
            except Exception as error:  # of int(), datetime() and others, on what a text calls a number or a date
                said = repr(node.value)[:40] if isinstance(node.value, str) else "this"
                kind = node.tag.rpartition(":")[2]
                raise ConstructorError(None, None, f"{said} is no {kind}", node.start_mark) from error

        def flatten_mapping(self, node: yaml.MappingNode) -> None:
            keys: set[str] = set()
            for key, _ in node.value:
                if isinstance(key, yaml.ScalarNode) and key.tag != "tag:yaml.org,2002:merge":
                    if key.value in keys:
                        raise ConstructorError(None, None, f"the key {key.value!r:.80} stands twice", key.start_mark)
                    keys.add(key.value)
            super().flatten_mapping(node)

    return Loader


def no_truth_value(model: type[BaseModel], value: object, info: ValidationInfo) -> object:
    """Refuse ``true`` and ``false`` in a field for numbers, where pydantic would take them for 1 and 0; for validators
    of all fields of a `model`."""
    kind = model.model_fields[str(info.field_name)].annotation
    numbers = any(part in (int, float) for part in _parts(kind))
    items = value if isinstance(value, list) else value.values() if isinstance(value, dict) else [value]
    if numbers and any(isinstance(item, bool) for item in items):
        raise ValueError("a number is needed, not true or false")
    return value


def _parts(annotation: Any) -> Iterator[Any]:
    """The types that an annotation is made of."""
    yield annotation
    for part in get_args(annotation):
        yield from _parts(part)
