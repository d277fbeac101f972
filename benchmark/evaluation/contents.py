"""Watches over what the frames of a run decode to: kept beside the rows, compared where a run is continued."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator

from talkbench.benchmark.evaluation.reader import ImageSource, Reader, result
from talkbench.benchmark.progress import Progress
from talkbench.core.errors import PairError, TalkbenchError
from talkbench.datasets import Frame, Split
from talkbench.results import RunRecord, RunStore
from talkbench.results.content import (
    UNDECODABLE,
    Contents,
    FrameContent,
    FrameName,
    data_id,
    first_difference,
    in_words,
    stored_sizes,
)

AHEAD = 32
"""Frames that are read ahead of the one that is compared."""

MANY = 2000
"""More frames than so many take long enough to compare that the user should know what is going on."""


class ContentLog:
    """Keeps the contents of a run's frames, each once, and refuses one that differs from what was scored before."""

    def __init__(self, store: RunStore) -> None:
        self._folder, self._store = store.folder, store.contents
        self.contents = self._store.read()

    def add(self, contents: Contents) -> None:
        """Keep the contents of a batch; call it before its rows are kept.

        Raises:
            TalkbenchError: a frame differs from what it was when other pairs of this run were scored.
        """
        if frame := first_difference(self.contents, contents):
            raise TalkbenchError(
                f"{in_words(frame, self.contents[frame], contents[frame])} in {self._folder} (another data id); "
                "restore the data, or start anew with another --out"
            )
        new = {frame: content for frame, content in contents.items() if frame not in self.contents}
        self._store.append(new)
        self.contents |= new


def decoded(frames: Iterable[Frame], images: ImageSource, workers: int) -> Iterator[tuple[FrameName, FrameContent]]:
    """What the frames decode to now, in their order.

    Args:
        workers: processes that read; 0: a thread of this one.
    """
    pending: deque[Frame] = deque()
    with Reader(images, workers) as reader:

        def first() -> tuple[FrameName, FrameContent]:
            frame = pending.popleft()
            try:
                content = result(reader.request(frame)).content
            except PairError:
                content = UNDECODABLE
            assert content is not None
            return FrameName(frame.clip, frame.index), content

        for frame in frames:
            reader.request(frame)
            pending.append(frame)
            if len(pending) > AHEAD:
                yield first()
        while pending:
            yield first()


def contents_of(split: Split, workers: int) -> dict[FrameName, FrameContent]:
    """What the frames of a split decode to now."""
    frames = {frame for pair in split for frame in (pair.source, pair.driving, pair.reference) if frame}
    images = ImageSource(split, size=1)  # the images themselves are not needed
    return dict(decoded(sorted(frames), images, workers))


def change(store: RunStore, images: ImageSource, workers: int, progress: Progress) -> str:
    """How the data differ from those that the run in `store` has scored: the first frame that does; "" if none."""
    before = store.contents.read()
    if not before:
        return ""
    if len(before) > MANY:
        progress.say(f"comparing {len(before)} frames with those that {store.folder} was scored on")
    frames = [Frame(name.clip, name.index) for name in sorted(before)]
    for frame, now in decoded(frames, images, workers):
        if before[frame].sha256 != now.sha256:
            return f"{in_words(frame, before[frame], now)} (another data id)"
    return ""


def with_contents(record: RunRecord, contents: Contents) -> RunRecord:
    """The record of a run that has ended, with its data id and the sizes of the stored frames."""
    end = {"data_id": data_id(contents), "stored_sizes": stored_sizes(contents)}
    return record.model_copy(update={"dataset": record.dataset.model_copy(update=end)})


def announce_sizes(record: RunRecord, progress: Progress) -> None:
    """Say which frames were not stored as they were evaluated."""
    data = record.dataset
    for size in data.resized:
        width, height = size.split("x")
        how = "resized" if width == height else "squeezed without a crop, as the authors' readers do,"
        progress.say(
            f"{data.stored_sizes[size]} of {sum(data.stored_sizes.values())} frames are stored as {size} and were "
            f"{how} to {data.image_size}x{data.image_size}"
        )
