"""The card of a program: how it is called, and what its frames are."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, field_validator, model_validator

from talkbench.benchmark.programs.templates import fields_of
from talkbench.core.cards import Card, LicenceCard, Line
from talkbench.core.registry import nearest

OF_ALL = {
    "out": "the empty folder that the program writes into",
    "seed": "the card's `seed`",
    "size": "side in pixels of the images that the program gets",
    "motion": "as an argument of its own: the arguments of the motion",
    "config": "the file that `config` describes",
}
OF_CALLS = {
    "source": "the image of the face to animate",
    "driving": "the video, the folder of images or the image that moves it",
    "reference": "the image that motion is measured from; empty for absolute motion",
    "count": "how many driving frames there are",
    "rate": "frames per second of the driving video",
}
OF_LISTS = {
    "pairs": "the list of pairs, as `bench data export-pairs` writes it",
    "images": "the folder of the images that the list names",
}
OF_RESULTS = {"number": "of a pair, six digits"}
"""The fields of templates, and what each stands for; places of the card come to them."""


def _text(value: object) -> object:
    """A number in YAML as the argument that was typed."""
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


Argument = Annotated[str, BeforeValidator(_text)]


def _glob(text: str) -> str:
    """A pattern that `Path.glob` takes."""
    parts = PurePosixPath(text).parts
    if not parts or "\0" in text or any("**" in part and part != "**" for part in parts):
        raise ValueError(f"{text!r} is no pattern of files; ** stands for whole folders, * for a part of a name")
    return text


Glob = Annotated[str, AfterValidator(_glob)]

MOST_FRAMES, MOST_PIXELS, MOST_PARTS, FASTEST = 1_000_000, 8192, 64, 1000.0
"""The largest numbers of frames, sides, parts of a montage and frames per second that a card may name."""


class Cut(Card):
    """Which part of a montage is the frame: one of `columns` times `rows` equal parts, counted from 0."""

    columns: int = Field(default=1, ge=1, le=MOST_PARTS)
    column: int = Field(default=0, ge=0)
    rows: int = Field(default=1, ge=1, le=MOST_PARTS)
    row: int = Field(default=0, ge=0)

    @model_validator(mode="after")
    def _inside(self) -> Self:
        if self.column >= self.columns or self.row >= self.rows:
            raise ValueError("column and row are counted from 0, so they are below columns and rows")
        return self


class FrameMap(Card):
    """Which driving frame each frame of the output belongs to.

    Attributes:
        rate: frames per second that the program resamples the driving video to; None: it keeps every frame.
        cap: how many frames it writes at most; None: any number.
        dropped: how many frames at the start of the driving video have none in the output.
        offset: how many frames the output begins with that belong to no driving frame.
    """

    rate: float | None = Field(default=None, gt=0, le=FASTEST)
    cap: int | None = Field(default=None, ge=1)
    dropped: int = Field(default=0, ge=0)
    offset: int = Field(default=0, ge=0, le=MOST_FRAMES)


class Input(Card):
    """What the program gets.

    Attributes:
        driving: form of the driving frames.
        size: side in pixels of its images; None: that of the run.
        lossless: whether the video loses nothing (H.264 in RGB); False: H.264 in yuv420p, for what cannot read that.
    """

    driving: Literal["video", "frames", "image"] = "video"
    size: int | None = Field(default=None, ge=1, le=MOST_PIXELS)
    lossless: bool = True


class Output(Card):
    """What the program writes.

    Attributes:
        form: of the frames of a call: one video, or images in the natural order of their names. A program for whole
            lists writes images, one for each pair.
        files: where they are below ``{out}``, with ``*`` and ``**``; of a whole list, where that of ``{number}``
            is, the only field here.
        size: side in pixels of a frame, after the `cut`; None: that of its input.
        cut: which part of each picture is the frame; None: all of it.
    """

    form: Literal["video", "frames"]
    files: Glob
    size: int | None = Field(default=None, ge=1, le=MOST_PIXELS)
    cut: Cut | None = None

    @field_validator("files")
    @classmethod
    def _below(cls, files: str) -> str:
        if files.startswith(("/", "~")) or ".." in files.split("/"):
            raise ValueError(f"{files!r} does not lie below {{out}}; give a path relative to it")
        return files


TAKEN = ("source", "driving", "reference", "out", "pairs", "images", "log")
"""Names, without suffix, of what else is in the folder of a call."""


class Config(Card):
    """A file that is written for each call, ``{config}``.

    Attributes:
        file: its name.
        content: its text; or a mapping or list, written as YAML or, where the name ends in .json, as JSON.
    """

    file: str
    content: Any

    @field_validator("file")
    @classmethod
    def _plain(cls, file: str) -> str:
        if not re.fullmatch(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,99}", file):
            raise ValueError(f"{file!r} is no plain file name")
        if file.partition(".")[0] in TAKEN:
            raise ValueError(f"{file!r} is the name of another file of a call; choose another")
        return file


class Container(Card):
    """An image that the command runs in. The folders of the call and of the places have the same paths inside.

    Attributes:
        image: its name, or the path of an Apptainer file.
        arguments: more options of the runtime's ``run`` or ``exec``, such as ``--gpus all``.
    """

    runtime: Literal["docker", "podman", "apptainer"]
    image: str
    arguments: tuple[Argument, ...] = ()


class ProgramCard(Card):
    """How a program is called. Templates have fields, see `OF_ALL`, `OF_CALLS`, `OF_LISTS` and the `places`.

    Attributes:
        title, paper, code, year: of the method.
        licence: of code and weights.
        python, memory: what it needs, in words.
        granularity: what one call animates: a pair, those of a source and a stretch of a driving clip, or all pairs.
        places: paths that differ from machine to machine, by name; "" for one that has to be given. ``checkout``, the
            folder of its code, has to be among them; ``python``, its interpreter, usually is.
        weights: files, folders and globs besides the places whose contents decide the frames.
        command: the program and its arguments; no shell sees them.
        folder: where it runs.
        environment: variables that it gets.
        motions: the arguments of each motion that the program has: ``absolute``, ``relative``, ``avd``.
        crop: what it does to its images: nothing, write a crop, or crop and paste the result back.
        seed: for ``{seed}``.
        timeout: seconds that a call may take.
        retries: how often a call that fails is tried again.
    """

    title: str = ""
    short: Line = ""
    paper: str = ""
    code: str = ""
    year: int | None = None
    licence: LicenceCard = LicenceCard()
    python: str = ""
    memory: str = ""
    granularity: Literal["pair", "clip", "list"]
    places: dict[str, str]
    weights: tuple[Glob, ...] = ()
    command: tuple[Argument, ...] = Field(min_length=1)
    container: Container | None = None
    folder: str = "{checkout}"
    environment: dict[str, Argument] = Field(default_factory=dict)
    config: Config | None = None
    motions: dict[Literal["absolute", "relative", "avd"], tuple[Argument, ...]] = Field(min_length=1)
    crop: Literal["none", "crop", "paste-back"]
    input: Input = Input()
    frames: FrameMap
    output: Output
    seed: int = Field(default=0, ge=0)
    timeout: float = Field(default=3600, gt=0)
    retries: int = Field(default=0, ge=0)
    notes: tuple[Line, ...] = ()

    @property
    def fields(self) -> dict[str, str]:
        """The fields of the command, and what each stands for."""
        places = {name: f"the place {name}" for name in self.places}
        return {**OF_ALL, **(OF_LISTS if self.granularity == "list" else OF_CALLS), **places}

    @model_validator(mode="after")
    def _places(self) -> Self:
        taken = {*OF_ALL, *OF_CALLS, *OF_LISTS, *OF_RESULTS, *("timeout", "retries")}
        for name in self.places:
            if not name.isidentifier() or name in taken:
                raise ValueError(f"a place cannot be called {name!r}; choose another word")
        if "checkout" not in self.places:
            raise ValueError(
                "places lack the checkout, the folder of the program's code, from which its version is taken"
            )
        return self

    @model_validator(mode="after")
    def _fields(self) -> Self:
        per_call = set(self.fields) - ({"config"} if self.config is None else set())
        for part, fields in {
            "command": per_call,
            "motions": per_call,
            "environment": per_call,
            "config": per_call - {"config", "motion"},
            "folder": set(self.places),
            "weights": set(self.places),
            "container": per_call - {"motion"},
            "output": set(OF_RESULTS) if self.granularity == "list" else set(),
        }.items():
            content = getattr(self, part)
            template = content.model_dump() if isinstance(content, Card) else content
            for field in fields_of(template):
                if field not in fields:
                    raise ValueError(f"{part} has the unknown field {{{field}}}: {_known(field, fields)}")
        self._whole_motion()
        return self

    def _whole_motion(self) -> None:
        used = set(fields_of([self.command, self.environment, self.config.content if self.config else ""]))
        if any("{motion}" in text and text != "{motion}" for text in (*self.command, *self.environment.values())):
            raise ValueError("{motion} stands for several arguments; make it an argument of its own in the command")
        if "motion" not in used and any(self.motions.values()):
            raise ValueError("motions have arguments and the command has no {motion} to put them in")
        if "relative" in self.motions and self.input.driving == "image" and "reference" not in used:
            raise ValueError("relative motion of a driving image needs its {reference} in the command")
        needed = ("pairs",) if self.granularity == "list" else ("source", "driving")
        lacking = [f"{{{name}}}" for name in (*needed, "out") if name not in used | set(fields_of(self.motions))]
        if lacking:
            raise ValueError(
                f"neither command nor config has {' and '.join(lacking)}, so that no call differs from another"
            )

    @model_validator(mode="after")
    def _forms(self) -> Self:
        files = self.output.files
        if self.granularity == "list" and (
            self.output.form == "video" or "number" not in fields_of(files) or "*" in files
        ):
            raise ValueError(
                "of a whole list the output is frames, and its files have {number} in their names, and no *"
            )
        if self.granularity == "clip" and self.input.driving == "image":
            raise ValueError("a call of a whole clip takes a video or frames; write granularity: pair for an image")
        return self


def _known(field: str, fields: set[str]) -> str:
    listed = ", ".join(f"{{{name}}}" for name in sorted(fields))
    if not fields:
        return "no field may stand there"
    close = nearest(field, fields)
    return f"{close} There are {listed}" if close.startswith("did") else f"there are {listed}"
