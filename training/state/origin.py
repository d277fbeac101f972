"""What a training began with, and its name in MLflow: ``training.json`` in its folder."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from secrets import token_hex

from talkbench.core.errors import TalkbenchError
from talkbench.core.files import write_atomic
from talkbench.training.state.checkpoints import Checkpoints

FILE = "training.json"


@dataclass(frozen=True)
class Origin:
    """The beginning of a training.

    Attributes:
        training_id: that no other training has, on whatever machine.
        checkpoint, checkpoint_sha256: name and contents of the weights' file that it began with; None: fresh weights.
    """

    training_id: str
    checkpoint: str | None
    checkpoint_sha256: str | None

    def __str__(self) -> str:
        return _named(self.checkpoint, self.checkpoint_sha256)


def read_origin(folder: Path) -> Origin | None:
    """The beginning of the training in `folder`; None if that has not begun, or has noted nothing, as it was before.

    Raises:
        TalkbenchError: the file is damaged.
    """
    path = folder / FILE
    try:
        return Origin(**json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError) as error:
        raise TalkbenchError(f"{path} is damaged ({error})") from error


def check_origin(
    folder: Path, checkpoint: Path | None, sha256: str | None, states: Checkpoints, say: Callable[[str], None]
) -> Origin | None:
    """The beginning of a new training, or of the one in `folder` that has begun and must have had the same weights.

    Args:
        checkpoint: the file of weights that the user names; None if the user names none.
        sha256: of its contents.
        states: of `folder`, the latest of which says what the training began with if ``training.json`` does not.
        say: called with one line if that file is damaged.

    Raises:
        TalkbenchError: the user names other weights than the training began with.
    """
    if not states.begun():
        now = datetime.now(UTC)
        name = f"{folder.resolve().name}-{now:%Y%m%d-%H%M%S}-{token_hex(4)}"
        return Origin(name, checkpoint.name if checkpoint else None, sha256)
    try:
        earlier = read_origin(folder)
    except TalkbenchError as error:
        say(f"{error}; it is written anew from the last state")
        earlier = None
    earlier = earlier or _stated(states.metadata())
    if checkpoint and (earlier is None or earlier.checkpoint_sha256 != sha256):
        raise TalkbenchError(
            f"{folder} holds a training that began with {earlier or 'weights that it has not noted'}, not with "
            f"{_named(str(checkpoint), sha256)}; leave --checkpoint out to continue it, or choose another --out"
        )
    return earlier


def _stated(metadata: Mapping[str, object]) -> Origin | None:
    """The beginning that the metadata of a state tell; None for a state of before they did."""
    values = [metadata.get(field.name) for field in fields(Origin)]
    return Origin(*values) if values[0] else None  # type: ignore[arg-type]


def write_origin(folder: Path, origin: Origin) -> None:
    """Note the beginning of the training in `folder`."""
    write_atomic(folder / FILE, json.dumps(asdict(origin), indent=2) + "\n")


def _named(checkpoint: str | None, sha256: str | None) -> str:
    return f"{checkpoint} (sha256 {sha256[:12]}…)" if sha256 else "fresh weights"
