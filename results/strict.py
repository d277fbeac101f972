"""The common ground of all result files: strict models, strict JSON, hashes of content.

Files carry `schema_version`; a reader refuses a newer one.
"""

from __future__ import annotations

import hashlib
import json
from typing import ClassVar, Final, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from talkbench.core.errors import TalkbenchError

SCHEMA_VERSION: Final = 1

M = TypeVar("M", bound="StrictModel")


class StrictModel(BaseModel):
    """A model that knows all its fields, does not change, and holds no NaN or infinity.

    Attributes:
        derived: JSON Schema of what its files hold beyond the fields. That follows from the fields: it is written for
            other programs and passed over when a file is read.
    """

    derived: ClassVar[dict[str, dict[str, object]]] = {}

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    def to_json(self) -> str:
        """Strict JSON (no NaN or Infinity), indented, UTF-8."""
        return json.dumps(self.model_dump(mode="json"), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def canonical_sha256(content: object) -> str:
    """sha256, hexadecimal, of the JSON of `content` with sorted keys and no spaces."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def parse_json(model: type[M], text: str, source: str) -> M:
    """The JSON `text` as a `model` of this module.

    Args:
        source: what the text is called in an error message.

    Raises:
        TalkbenchError: `text` is not JSON, was written by a newer talkbench, or does not fit the model.
    """
    try:
        content = json.loads(text, object_pairs_hook=_object)
        version = content.get("schema_version") if isinstance(content, dict) else None
        if isinstance(version, int) and version > SCHEMA_VERSION:
            raise TalkbenchError(f"{source} has schema version {version}, above {SCHEMA_VERSION}; upgrade talkbench")
        if isinstance(content, dict):
            content = {key: value for key, value in content.items() if key not in model.derived}
        return model.model_validate_json(json.dumps(content), strict=True)  # strict: "1" is no number
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "content"
        raise TalkbenchError(f"{source} is not a talkbench {model.__name__}: {place}: {first['msg']}") from error
    except OverflowError as error:  # a date at the end of the calendar
        raise TalkbenchError(f"{source} holds a number or a date beyond what there is: {error}; restore it") from error
    except (ValueError, RecursionError) as error:
        raise TalkbenchError(f"{source} is not JSON ({error}); restore it or run the benchmark again") from error


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """A JSON object; raises ValueError for a key that stands in it twice, of which other readers would see another."""
    content: dict[str, object] = {}
    for key, value in pairs:
        if key in content:
            raise ValueError(f"the key {key!r} stands twice in one object")
        content[key] = value
    return content
