"""What a dry run shows of a program: faults of montage, size, rate, offset and crop, told apart by looking at pictures.

Driver and source are of one clip, so a sound program gives frames that resemble the driving frames.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

import numpy as np

from talkbench.benchmark.programs.card import Cut, FrameMap
from talkbench.benchmark.programs.frame_map import drivers, resamples
from talkbench.core.images import resize

SMALL = 32
"""Side in pixels at which pictures are compared."""
SAME = 6.0
"""Grey levels, on average over `SMALL` pictures, up to which a part of a montage is a copy of an image."""
PARTS = 4
"""A montage has at most so many columns, and rows."""
FURTHEST = 8
"""Frames by which an output may be late or early."""
FEWEST = 6
"""Frames of which an order in time can be told."""
ALIKE, CLEARLY = 0.5, 0.03
"""Correlations: what two videos of one motion have at least, and by how much one reading has to be better."""
STILL = 0.3
"""Grey levels by which the frames of a video differ at least, if anything moves."""
CROPS = [round(0.95 - 0.05 * step, 2) for step in range(12)]
"""Sides of a crop, of that of the whole."""
RATES = (8, 10, 12, 12.5, 15, 16, 20, 23.976, 24, 25, 29.97, 30, 50, 60)


@dataclass(frozen=True)
class Finding:
    """What was found out on one subject.

    Attributes:
        state: ``unsaid``: the card lacks something that decides no number; ``unclear``: it cannot be told.
    """

    subject: str
    state: Literal["sound", "fault", "unclear", "unsaid"]
    text: str


@dataclass(frozen=True)
class Sample:
    """What a program got and wrote: uint8 RGB (H, W, 3) each.

    Attributes:
        drivings: in the order in which it got them.
        pictures: in the order in which it wrote them.
        rate: frames per second of the driving video.
    """

    source: np.ndarray
    drivings: list[np.ndarray]
    pictures: list[np.ndarray]
    rate: Fraction

    def cut(self, cut: Cut | None) -> Sample:
        """The sample with a part of each picture in its place."""
        if cut is None:
            return self
        parts = [part(picture, cut) for picture in self.pictures]
        return Sample(self.source, self.drivings, parts, self.rate)


def part(picture: np.ndarray, cut: Cut) -> np.ndarray:
    """One of the equal parts of a picture; what remains at the right and below does not count."""
    high, wide = picture.shape[0] // cut.rows, picture.shape[1] // cut.columns
    return picture[cut.row * high : (cut.row + 1) * high, cut.column * wide : (cut.column + 1) * wide]


def small(images: Iterable[np.ndarray]) -> np.ndarray:
    """Grey pictures (N, SMALL, SMALL) of images of any size."""
    return np.stack([resize(image, SMALL).mean(axis=2) for image in images])


def montage(samples: Sequence[Sample], declared: Cut | None) -> tuple[Finding, Cut | None]:
    """Whether the pictures are montages, and which part of them is the frame."""
    height, width = samples[0].pictures[0].shape[:2]
    if declared and (width % declared.columns or height % declared.rows):
        text = f"the pictures of {width}x{height} are no montage of {declared.columns}x{declared.rows} parts"
        return Finding("montage", "fault", f"{text}; mend output.cut"), None
    for columns, rows in _grids(width, height):
        roles = [
            [_role(samples, Cut(columns=columns, column=column, rows=rows, row=row)) for column in range(columns)]
            for row in range(rows)
        ]
        cut = _result(roles)
        if cut is not None:
            return _told(roles, cut, declared), cut
    if declared is not None:
        return Finding("montage", "unclear", "no part of it is a copy of source or driver, so that only you can see "
                       "whether output.cut takes the right one"), declared  # fmt: skip
    if width != height:
        text = f"the pictures are {width}x{height}, and no part of them is a copy of source or driver"
        return Finding("montage", "unclear", f"{text}; if they are montages, say so in output.cut"), None
    return Finding("montage", "sound", "none: the pictures are square and hold no copy of source or driver"), None


def _grids(width: int, height: int) -> list[tuple[int, int]]:
    """Columns and rows of square parts that a picture may have, several in all."""
    grids = [(columns, rows) for columns in range(1, PARTS + 1) for rows in range(1, PARTS + 1) if columns * rows > 1]
    return [(c, r) for c, r in grids if width % c == 0 and height % r == 0 and width // c == height // r]


def _role(samples: Sequence[Sample], cut: Cut) -> str:
    """What a part of the pictures shows: the source, the driver, or something else."""
    roles = set()
    for sample in samples:
        pictures = small(sample.cut(cut).pictures)
        source, driving = small([sample.source]), small(sample.drivings)
        spread = np.linspace(0, len(driving) - 1, len(pictures)).round().astype(int)
        if np.abs(pictures - source).mean() < SAME and (len(pictures) == 1 or pictures.std(axis=0).mean() < 1):
            roles.add("the source")
        elif np.abs(pictures - driving[spread]).mean() < SAME:
            roles.add("the driver")
        else:
            roles.add("the result")
    return roles.pop() if len(roles) == 1 else "the result"


def _result(roles: list[list[str]]) -> Cut | None:
    """The part that is neither source nor driver, where one at least of the others is. A result may be so like the
    driver that it is taken for it; then it is the last of those."""
    places = {(row, column): role for row, line in enumerate(roles) for column, role in enumerate(line)}
    results = [place for place, role in places.items() if role == "the result"]
    like_driver = [place for place, role in places.items() if role == "the driver"]
    if len(results) == len(places) or not (results or like_driver[1:] or len(like_driver) < len(places)):
        return None
    row, column = results[0] if results else (like_driver or list(places))[-1]
    return Cut(columns=len(roles[0]), column=column, rows=len(roles), row=row)


def _told(roles: list[list[str]], cut: Cut, declared: Cut | None) -> Finding:
    shows = "; ".join(", ".join(line) for line in roles)
    if declared == cut:
        return Finding("montage", "sound", f"its parts show {shows}, and output.cut takes the result")
    change = f"{{columns: {cut.columns}, column: {cut.column}, rows: {cut.rows}, row: {cut.row}}}"
    return Finding("montage", "fault", f"its parts show {shows}: set output.cut: {change}")


def size(samples: Sequence[Sample], side: int, input_side: int) -> Finding:
    """Whether the frames have the size that the card says, after the cut.

    Args:
        side: as the card says.
        input_side: that of the images that the program got.
    """
    sizes = sorted({frame.shape[:2][::-1] for sample in samples for frame in sample.pictures})
    if sizes == [(side, side)]:
        return Finding("size", "sound", f"the frames are {side}x{side}")
    text = (
        "frames of "
        + " and ".join(f"{width}x{height}" for width, height in sizes)
        + f" where {side}x{side} is expected"
    )
    if len(sizes) > 1:
        return Finding("size", "fault", f"{text}: one call must write one size; mend the program")
    width, height = sizes[0]
    if width != height:
        return Finding(
            "size", "fault", f"{text}: frames must be square; turn off what changes that, or cut them with output.cut"
        )
    remedy = f"set output.size: {width}"
    if width != input_side:
        remedy += f", or input.size: {input_side * side // width or 1}"
    return Finding("size", "fault", f"{text}: {remedy}")


def order(samples: Sequence[Sample], frames: FrameMap) -> list[Finding]:
    """Whether count and order of the frames are those of the frame map: findings on rate and offset."""
    sample = samples[0]
    count, written, rate = len(sample.drivings), len(sample.pictures), sample.rate
    expected = len(drivers(frames, count, rate))
    fits = abs(written - expected) <= (1 if resamples(frames, rate) else 0)
    if count < FEWEST:
        counted = f"{_frames(written)} of {count}, as the frame map says"
        if fits:
            return [
                Finding("rate", "sound", counted),
                Finding("offset", "unclear", "a call has too few frames to tell"),
            ]
        return [
            Finding(
                "rate", "fault", f"it wrote {_frames(written)} of {count}; the frame map gives {expected}; mend frames"
            )
        ]
    readings = _readings(written, count, rate, frames if fits else None)
    scores = {words: _score(samples, drivers_) for words, drivers_ in readings.items()}
    likeness = {words: score for words, score in scores.items() if score is not None}
    told = f"it wrote {_frames(written)} of {count}"
    if fits:
        return [Finding("rate", "sound", f"{told}, as the frame map says"), _offset(likeness)]
    return [_misfit(likeness, f"{told}; the frame map gives {expected}", _likely(written, count, rate))]


def _offset(likeness: dict[str, float]) -> Finding:
    """Whether the frames of an output of the right length are where the frame map has them.

    Args:
        likeness: by reading, how like output and driver are then.
    """
    best = max(likeness, key=lambda words: likeness[words], default="")
    if not likeness:
        return Finding("offset", "unclear", "it cannot be told: the frames are all alike")
    if likeness[best] < ALIKE:
        return Finding("offset", "unclear", "it cannot be told: the frames do not move as the driver does")
    if likeness.get(OWN, -1.0) >= likeness[best] - CLEARLY:
        return Finding("offset", "sound", "the frames move with the driver")
    return Finding("offset", "fault", f"the frames {best}")


def _misfit(likeness: dict[str, float], told: str, likely: Sequence[str]) -> Finding:
    """What is wrong with an output of another length than the frame map gives; see `_offset`."""
    best = max(likeness, key=lambda words: likeness[words], default="")
    second = max((score for words, score in likeness.items() if words != best), default=-1.0)
    if not likeness or likeness[best] < ALIKE or likeness[best] - second < CLEARLY:
        return Finding(
            "rate", "fault", f"{told}; by the count {' or '.join(likely)}, and the pictures do not tell which"
        )
    return Finding("rate" if "resample" in best else "offset", "fault", f"{told}: the frames {best}")


OWN = "are those of the card's frame map"


def _readings(written: int, count: int, rate: Fraction, own: FrameMap | None) -> dict[str, list[int | None]]:
    """Ways in which `written` frames may belong to `count` driving frames, each in words with its remedy."""
    readings: dict[str, list[int | None]] = {}
    if own is not None:
        readings[OWN] = drivers(own, count, rate)[:written]
    for shift in range(-FURTHEST, FURTHEST + 1):
        drivers_ = [index + shift if 0 <= index + shift < count else None for index in range(written)]
        readings.setdefault(_shift_words(shift, written, count), drivers_)
    if written != count:
        nominal = _usual(rate * written / count)
        words = f"are resampled from {float(rate):g} to {nominal:g} per second: set frames.rate: {nominal:g}"
        readings[words] = [min(count - 1, index * count // written) for index in range(written)]
    return readings


def _shift_words(shift: int, written: int, count: int) -> str:
    lacking = written - count + abs(shift)
    if shift == 0 and written == count:
        return "follow the driver, each driving frame with its own: set frames: {}"
    if shift == 0:
        extra = "more frames than it got" if written > count else "as far as they go"
        return f"follow the driver from its first frame on, {extra}: " + (
            f"set frames.cap: {written}" if written < count else "find out what the last ones are"
        )
    if shift > 0:
        cap = f" and frames.cap: {written}" if lacking < 0 else ""
        return f"lack {_frames(shift)} of the driver at the start: set frames.dropped: {shift}{cap}"
    if written == count - shift:
        return f"begin with {_frames(-shift)} of no driving frame: set frames.offset: {-shift}"
    return (
        f"are {_frames(-shift)} behind the driver: let the program write all of them, and set frames.offset: {-shift}"
    )


def _frames(count: int) -> str:
    return "1 frame" if count == 1 else f"{count} frames"


def _likely(written: int, count: int, rate: Fraction) -> list[str]:
    if written > count:
        return [f"frames.offset: {written - count}", f"frames.rate: {_usual(rate * written / count):g}"]
    fewer = [f"frames.cap: {written}", f"frames.dropped: {count - written}"]
    return [*fewer, f"frames.rate: {_usual(rate * written / count):g}"]


def _usual(rate: Fraction) -> float:
    """A usual rate that is within 5 % of `rate`, the nearest; else `rate` itself."""
    nearest = min(RATES, key=lambda usual: abs(usual - float(rate)))
    return nearest if abs(nearest / float(rate) - 1) < 0.05 else round(float(rate), 3)


def _score(samples: Sequence[Sample], mapping: Sequence[int | None]) -> float | None:
    """How like the changes from frame to frame are in output and driver if they belong together in this way: the
    correlation of the distances of all pairs of frames, which no crop, size or face changes much. None: nothing moves.
    """
    scores = []
    for sample in samples:
        indices = [(out, driver) for out, driver in enumerate(mapping[: len(sample.pictures)]) if driver is not None]
        if len(indices) < max(3, len(sample.pictures) // 2):
            continue
        written = small(sample.pictures[out] for out, _ in indices)
        driving = small(sample.drivings[driver] for _, driver in indices)
        one, other = _distances(written), _distances(driving)
        if one.max() < STILL or other.max() < STILL:
            continue
        scores.append(float(np.corrcoef(one, other)[0, 1]))
    return float(np.mean(scores)) if scores else None


def _distances(pictures: np.ndarray) -> np.ndarray:
    """Mean distance in grey levels of every two pictures (N, S, S)."""
    first, second = np.triu_indices(len(pictures), 1)
    distances: np.ndarray = np.abs(pictures[first] - pictures[second]).mean(axis=(1, 2))
    return distances


def crop(samples: Sequence[Sample], declared: str) -> Finding:
    """Whether the frames show the same part of the picture as the driving frames do."""
    whole, cropped, sides = [], [], []
    for sample in samples:
        frame, driver = (resize(_mean(images), 2 * SMALL).mean(axis=2) for images in (sample.pictures, sample.drivings))
        whole.append(_correlation(frame, driver))
        side, score = max(((side, _search(frame, driver, side)) for side in CROPS), key=lambda scored: scored[1])
        cropped.append(score)
        sides.append(side)
    same, other, side = float(np.mean(whole)), float(np.mean(cropped)), float(np.mean(sides))
    if other > same + 2 * CLEARLY and other > ALIKE and max(sides) - min(sides) < 0.3:
        text = f"the frames show a part of the driving frames, about {side:.2f} as wide"
        if declared == "crop":
            return Finding("crop", "sound", f"{text}, as crop of the card says; pixel metrics do not mean much of them")
        return Finding("crop", "fault", f"{text}: turn its cropping off or let it paste back, or set crop: crop")
    if same < ALIKE:
        return Finding("crop", "unclear", "the frames are too unlike the driving frames to tell")
    if declared == "crop":
        return Finding("crop", "fault", "the frames show what the driving frames show: set crop: none or paste-back")
    return Finding("crop", "sound", "the frames show what the driving frames show")


def _mean(images: Sequence[np.ndarray]) -> np.ndarray:
    average: np.ndarray = np.mean([image.astype(np.float32) for image in images], axis=0).round().astype(np.uint8)
    return average


def _correlation(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.corrcoef(one.ravel(), other.ravel())[0, 1]) if one.std() > 0 and other.std() > 0 else 0.0


def _search(frame: np.ndarray, driver: np.ndarray, side: float) -> float:
    """The best correlation of a frame, at `side` of its size, with a part of the driver."""
    from skimage.feature import match_template

    length = round(side * len(driver))
    template = resize(np.repeat(frame[..., None], 3, axis=2).round().astype(np.uint8), length)[..., 0].astype(float)
    return float(match_template(driver, template).max()) if template.std() > 0 else 0.0
