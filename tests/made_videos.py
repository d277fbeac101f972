"""Small videos of any container and codec, of which every frame tells its number."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.video.frame import PictureType

B_FRAMES = {"x264-params": "bframes=3:b-adapt=0:scenecut=0:keyint=12"}
STEP = 10  # levels of grey between two frames


def numbered(index: int, width: int = 64, height: int = 48) -> np.ndarray:
    """Frame `index`: its right half is grey of `STEP` times its number, its left half noise that gives it bytes."""
    image = np.full((height, width, 3), STEP * index, np.uint8)
    image[:, : width // 2] = np.random.default_rng(index).integers(0, 256, (height, width // 2, 3))
    return image


def number(image: np.ndarray) -> int:
    """The index of a frame of `numbered`."""
    return round(float(image[:, image.shape[1] * 5 // 8 :].mean()) / STEP)


def write_video(
    path: Path,
    codec: str = "libx264",
    images: list[np.ndarray] | int = 24,
    pixels: str = "yuv420p",
    options: dict[str, str] | None = None,
    form: str | None = None,
    aspect: Fraction | None = None,
    milliseconds: list[int] | None = None,
    sound: float = 0,
    layout: dict[str, str] | None = None,
    kinds: PictureType | None = None,
    rate: Fraction = Fraction(25),
) -> Path:
    """Write a video of `images`, or of so many numbered ones, at `rate` frames a second.

    Args:
        form: the container, if the ending does not name it.
        aspect: width of a pixel over its height.
        milliseconds: when each frame is shown, in place of the constant rate.
        sound: seconds of a tone of 440 Hz.
        layout: options of the container's writer.
        kinds: how each frame is coded; the encoder chooses by itself.
    """
    frames = [numbered(index) for index in range(images)] if isinstance(images, int) else images
    with av.open(str(path), "w", format=form, options=layout or {}) as container:
        stream = container.add_stream(codec, rate=rate, options=options or {})
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = pixels
        if aspect:
            stream.sample_aspect_ratio = aspect
        if milliseconds:
            stream.codec_context.time_base = Fraction(1, 1000)
        tone = container.add_stream("aac" if path.suffix != ".webm" else "libopus", rate=48000) if sound else None
        for index, image in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(image)
            if kinds is not None:
                frame.pict_type = kinds
            if milliseconds:
                frame.pts, frame.time_base = milliseconds[index], Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
        if tone:
            for start in range(0, round(48000 * sound), 960):
                container.mux(tone.encode(_tone(start)))
            container.mux(tone.encode())
    return path


def _tone(start: int) -> av.AudioFrame:
    wave = 0.5 * np.sin(2 * np.pi * 440 * np.arange(start, start + 960) / 48000)
    frame = av.AudioFrame.from_ndarray(wave[None].astype(np.float32), format="fltp", layout="mono")
    frame.sample_rate, frame.pts, frame.time_base = 48000, start, Fraction(1, 48000)
    return frame


def set_matrix(path: Path, across: tuple[int, int], down: tuple[int, int]) -> Path:
    """Give the track of an MP4 file the display matrix that moves the point (x, y) to x `across` + y `down`."""

    def matrix(rows: tuple[tuple[int, int], ...]) -> bytes:
        return b"".join((x << 16).to_bytes(4, "big", signed=True) + (y << 16).to_bytes(4, "big", signed=True) + bytes(4)
                        for x, y in rows)  # fmt: skip

    upright = matrix(((1, 0), (0, 1)))
    data = path.read_bytes()
    track = data.rindex(upright)  # the first matrix is the movie's
    path.write_bytes(data[:track] + matrix((across, down)) + data[track + len(upright) :])
    return path


def damaged_end(path: Path, whole: Path, frames: int) -> Path:
    """The MP4 file `whole` with nothing but zeros in its last `frames` frames."""
    data = bytearray(whole.read_bytes())
    with av.open(str(whole)) as container:
        packets = sorted((packet.pos, packet.size) for packet in container.demux(video=0) if packet.size)
    for place, size in packets[-frames:]:
        data[place : place + size] = bytes(size)
    path.write_bytes(data)
    return path
