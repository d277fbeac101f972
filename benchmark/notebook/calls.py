"""One call for each thing that people do with talkbench: evaluate, compare, verify, load, animate."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, TypeGuard

import numpy as np

from talkbench.benchmark.evaluation.options import RunOptions
from talkbench.benchmark.evaluation.protocol import DEFAULT
from talkbench.benchmark.notebook.progress import progress_display
from talkbench.benchmark.notebook.results import Animation, Comparison, Evaluation, Evaluations, Verification
from talkbench.benchmark.progress import Progress
from talkbench.core.errors import TalkbenchError
from talkbench.datasets import Split

if TYPE_CHECKING:
    from talkbench.datasets.interface import Clip
    from talkbench.methods.interface import Method

    Frames = Sequence[np.ndarray | Path | str]
    Stored = Evaluation | Path | str

STEPS = ("encode_source", "encode_motion", "transfer", "render")


def evaluate(
    method: str | Method | Frames,
    dataset: str | Split,
    *,
    task: str | None = None,
    motion: str = "absolute",
    protocol: str | Path = DEFAULT,
    metrics: Iterable[str] = (),
    checkpoint: Path | str | None = None,
    settings: Mapping[str, object] | None = None,
    name: str | None = None,
    pairs: Path | str | None = None,
    root: Path | str | None = None,
    limit: int | None = None,
    batch_size: int | None = None,
    workers: int | None = None,
    engine: str = "local",
    image_size: int | None = None,
    device: str = "auto",
    precision: str = "float32",
    compiled: bool = False,
    out: Path | str | None = None,
    resume: bool = False,
    strict: bool = False,
    verbose: bool = False,
    save_frames: bool = False,
    videos: int = 8,
    tracking_uri: str | None = None,
    progress: bool = True,
) -> Evaluation:
    """Score a method on a data set: ``bench run`` in one call, with the same record, rows, page and MLflow run.

    Arguments that are not told below are the options of ``bench run``.

    Args:
        method: a name (``"mcnet"``), a `Method` object, or the frames that your own code made: a list of arrays, uint8
            RGB (H, W, 3), or of paths of PNG files, one for each pair of the list, in its order.
        dataset: a name (``"demo"``), or the `Split` of a data set, which brings its task, motion and pairs.
        task: ``same-identity``, ``cross-identity`` …; None: the protocol's.
        metrics: in place of the protocol's: ``["l1", "akd@mtcnn5"]``.
        name: with frames: the name of the code that made them.
        settings: of a method that is named, ``{"noise": "random"}``.
        limit: only the first pairs.
        workers: number of processes that read frames ahead; 0: this process reads them; None: as many as pay off.
        engine: who works: ``"local"``, ``"processes:4"`` or ``"ray:ADDRESS"``. A `Method` object is sent to the
            workers, so its class must be in a module that they can import.
        out: folder of the run; None: a new one in ``runs/``.
        resume: continue the run in `out`, or the latest run of the same call.
        strict: stop with an error if a metric cannot be computed here.
        verbose: say of each metric that cannot be computed here why, with files and URLs.
        videos: of how many clips a run of consecutive frames leaves a video.
        tracking_uri: the MLflow store; ``"off"``: none; None: ``MLFLOW_TRACKING_URI``, else ``runs/mlflow.db``.
        progress: show the progress.

    Raises:
        TalkbenchError: the run cannot start or cannot go on; the rows that were computed are kept.
        KeyboardInterrupt: the run was stopped; its rows are kept, and the same call with `resume` computes the others.
    """
    from talkbench.benchmark.engines.choice import check_engine
    from talkbench.benchmark.evaluation.runner import run

    own_method = None if isinstance(method, str) or _is_frames(method) else checked(method)
    split = dataset if isinstance(dataset, Split) else None
    _check_numbers(limit=limit, batch_size=batch_size, image_size=image_size)
    if videos < 0:
        raise TalkbenchError(f"videos is {videos}; give 0 or more")
    if not isinstance(dataset, str | Split):
        raise TalkbenchError(f"dataset is of type {type(dataset).__name__}; give its name, or a Split of it")
    if own_method is not None and (checkpoint or settings):
        raise TalkbenchError("a Method object has its weights and settings; leave checkpoint and settings out")
    if split is not None and _is_frames(method) and len(method) != len(split):
        raise TalkbenchError(
            f"there are {len(method)} frames for {len(split)} pairs; give one for each, in their order"
        )
    if split is not None and (task, motion, pairs) != (None, "absolute", None):
        raise TalkbenchError("a Split has its task, motion and pairs; leave task, motion and pairs out")
    with _written(method) if _is_frames(method) else nullcontext() as frames, _display(progress) as display:
        options = RunOptions(
            method=method if isinstance(method, str) else None,
            dataset=dataset if isinstance(dataset, str) else dataset.dataset,
            task=task,
            motion=split.motion if split is not None else motion,
            protocol=str(protocol),
            checkpoint=_path(checkpoint),
            frames=frames,
            name=name,
            pairs=_path(pairs),
            root=_path(root),
            metrics=(metrics,) if isinstance(metrics, str) else tuple(metrics),
            limit=limit,
            batch_size=batch_size,
            workers=workers,
            engine=check_engine(engine),
            image_size=image_size,
            device=device,
            precision=precision,
            compiled=compiled,
            out=_path(out),
            resume=resume,
            strict=strict,
            verbose=verbose,
            save_frames=save_frames,
            videos=videos,
            tracking_uri=tracking_uri,
            settings=dict(settings or {}),
            command="talkbench.evaluate",
        )
        try:
            finished = run(options, display, own_method, split)
        except KeyboardInterrupt:
            display.say("stopped; the computed rows are kept, and the same call with resume=True computes the others")
            raise
    return Evaluation.read(finished.store.folder)


def load(*folders: Path | str) -> Evaluations:
    """The finished runs and entries in `folders`; each is the folder of a run or an entry, or holds such folders.

    Raises:
        TalkbenchError: a folder has neither a run nor an entry, or files are damaged.
    """
    from talkbench.results.loading import read_results

    return Evaluations([Evaluation(r.folder, r.record, r.summary, r.rows) for r in read_results(*folders)])


def compare(
    result: Stored, *others: Stored | Iterable[Stored], metrics: Iterable[str] = (), across_protocols: bool = False
) -> Comparison:
    """Compare a result with one or more others on their common pairs, as ``bench compare`` does.

    Args:
        others: what `evaluate` and `load` return, or folders. The result itself is skipped if it is among them. If
            there are several, those that cannot be compared are left out, and `Comparison.left_out` says why.
        metrics: their names; none: all metrics that both results have.
        across_protocols: also compare numbers of different protocols; these are marked.

    Raises:
        TalkbenchError: nothing can be compared, or a folder holds no result.
    """
    from talkbench.benchmark.sharing.clusters import with_facts
    from talkbench.reports.statistics.paired import compare as compare_runs
    from talkbench.reports.tables.comparison import comparison_table

    first = _stored(result)
    stored: list[Evaluation] = []
    for other in others:
        stored += [_stored(other)] if isinstance(other, Evaluation | Path | str) else map(_stored, other)
    candidates = [other for other in stored if other.folder.resolve() != first.folder.resolve()]
    tables, differences, left_out = [], {}, {}
    for other in candidates:
        a, b = with_facts([first.run, other.run])
        try:
            paired = compare_runs(a, b, tuple(metrics), across_protocols)
        except TalkbenchError as error:
            if len(candidates) == 1:
                raise
            left_out[other.folder] = str(error)
            continue
        tables.append(comparison_table(a, b, paired))
        differences[other.folder] = paired
    if not tables:
        reasons = "; ".join(dict.fromkeys(left_out.values())) or "there is no other result"
        raise TalkbenchError(f"nothing to compare {first.folder} with: {reasons}")
    return Comparison(tuple(tables), differences, left_out)


def verify(
    result: Stored, *, root: Path | str | None = None, device: str = "auto", progress: bool = True
) -> Verification:
    """Compute the figures of a run or an entry again, as far as this machine can, as ``bench verify`` does.

    Raises:
        TalkbenchError: the folder holds no result, or its files cannot be read.
    """
    from talkbench.benchmark.verify.figures import VerifyOptions
    from talkbench.benchmark.verify.figures import verify as compute
    from talkbench.benchmark.verify.rescore import Place

    folder = result.folder if isinstance(result, Evaluation) else Path(result)
    with _display(progress) as display:
        return Verification(compute(VerifyOptions(folder, place=Place(_path(root), None, device)), display))


def animate(
    method: str | Method,
    source: Path | str | np.ndarray,
    driving: Path | str | Frames | Clip,
    out: Path | str,
    *,
    checkpoint: Path | str | None = None,
    motion: str | None = None,
    side_by_side: bool = False,
    paste_back: bool = False,
    crop: bool | None = None,
    source_face: str | int | None = None,
    driving_face: str | int | None = None,
    source_frame: int | None = None,
    fit: str = "crop",
    background: str = "white",
    sound: bool = True,
    strict: bool = False,
    frames: Path | str | None = None,
    batch_size: int | None = None,
    device: str = "auto",
    precision: str = "float32",
    compiled: bool = False,
    settings: Mapping[str, object] | None = None,
    progress: bool = True,
) -> Animation:
    """Animate a face image with a driver: ``bench animate`` in one call.

    Arguments that are not told below are the options of ``bench animate``.

    Args:
        source: an image, or a video of which one frame is taken, by its path; or an array, uint8 RGB (H, W, 3) or RGBA.
        driving: a video file, an image, a folder of frames; or frames in a list or an array, see `evaluate`.
        out: what to write, ``.mp4``, ``.webp``, ``.gif``, or ``.png`` for a driver of one frame.
        crop: None: to the face, where an input is no head crop.
        frames: a folder; every generated frame is also written there as PNG.

    Raises:
        TalkbenchError: an input cannot be read, or the output cannot be written; no half file is left.
    """
    from talkbench.benchmark.animation.animate import animate as write
    from talkbench.benchmark.animation.options import AnimateOptions
    from talkbench.datasets.clips import ListedClip
    from talkbench.datasets.interface import Clip

    path = Path(out)
    _check_numbers(batch_size=batch_size)
    if not isinstance(source, str | Path):
        rgba = isinstance(source, np.ndarray) and source.ndim == 3 and source.shape[2] == 4
        ListedClip([source[..., :3] if rgba else source])  # says what is wrong with it
    options = AnimateOptions(
        method=method if isinstance(method, str) else checked(method),
        source=source if isinstance(source, np.ndarray) else Path(source),
        driving=Path(driving) if isinstance(driving, str | Path)
        else driving if isinstance(driving, Clip) else ListedClip(driving),
        out=path,
        checkpoint=_path(checkpoint),
        motion=motion,
        side_by_side=side_by_side,
        paste_back=paste_back,
        crop=crop,
        source_face=None if source_face is None else str(source_face),
        driving_face=None if driving_face is None else str(driving_face),
        source_frame=source_frame,
        fit=fit,
        background=background,
        sound=sound,
        strict=strict,
        frames=_path(frames),
        batch_size=batch_size,
        device=device,
        precision=precision,
        compiled=compiled,
        settings=dict(settings or {}),
    )  # fmt: skip
    with _display(progress, "frames") as display:
        return Animation(path, **asdict(write(options, display)))


def checked(method: object) -> Method:
    """The caller's method object, after a check that it is one.

    Raises:
        TalkbenchError: the object lacks a step or an attribute, or its class is not derived from `Method`.
    """
    from talkbench.methods.interface import Method

    if isinstance(method, type):
        raise TalkbenchError(f"{method.__name__} is a class; give an object of it: {method.__name__}()")
    kind = type(method).__name__
    lacking = [step for step in STEPS if not callable(getattr(method, step, None))]
    if lacking:
        raise TalkbenchError(f"{kind} has no {' and no '.join(lacking)}; a method has the steps {', '.join(STEPS)}")
    if not isinstance(method, Method):
        raise TalkbenchError(
            f"{kind} is not derived from talkbench.methods.interface.Method; derive it from that class"
        )
    for attribute in ("name", "networks", "settings"):
        if not hasattr(method, attribute):
            raise TalkbenchError(f"{kind} has no attribute {attribute}; see talkbench.methods.interface.Method")
    return method


def _check_numbers(**numbers: int | None) -> None:
    for name, number in numbers.items():
        if number is not None and number < 1:
            raise TalkbenchError(f"{name} is {number}; give 1 or more")


def _is_frames(method: object) -> TypeGuard[Frames]:
    return isinstance(method, Sequence | np.ndarray) and not isinstance(method, str)


@contextmanager
def _written(frames: Frames) -> Iterator[Path]:
    """In the block there is a folder with the frames, in the form that `GivenFrames` reads."""
    from talkbench.benchmark.evaluation.given_frames import frame_name
    from talkbench.core.images import write_png
    from talkbench.datasets.clips import ListedClip

    clip = ListedClip(frames)
    with TemporaryDirectory(prefix="talkbench-frames-") as folder:
        for number in clip.numbers:
            write_png(Path(folder) / frame_name(number), clip.read(number))
        yield Path(folder)


def _display(progress: bool, unit: str = "pairs") -> AbstractContextManager[Progress]:
    return progress_display(unit) if progress else nullcontext(Progress())


def _stored(result: Stored) -> Evaluation:
    return result if isinstance(result, Evaluation) else Evaluation.read(result)


def _path(path: Path | str | None) -> Path | None:
    return None if path is None else Path(path)
