"""Programs as other people write them, for an environment of their own: they know nothing of talkbench.

python outside_programs.py MODE INPUT DRIVING OUT [SEED [OPTIONS …]]

Each call adds its process id as a line to the file ``$STATE``.
"""

import csv
import os
import shutil
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path


def every_frame(driving: Path, out: Path) -> None:
    """A frame for each driving frame: that frame itself."""
    for number, frame in enumerate(sorted(driving.iterdir())):
        shutil.copy(frame, out / f"{number}.png")


def of_list(pairs: Path, out: Path) -> None:
    """The driving frame of each pair of a list, but for pair 3."""
    with pairs.open(newline="") as file:
        for line in csv.DictReader(file):
            if line["number"] != "3":
                shutil.copy(pairs.parent / line["driving"], out / f"result {line['result']}")


def montage(source: Path, driving: Path, out: Path) -> None:
    """A video of source, driver and result side by side, twice as large, of every other frame, with noise."""
    import av
    import numpy as np
    from PIL import Image

    with av.open(str(driving)) as container:
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    face = np.asarray(Image.open(source).convert("RGB"))
    with av.open(str(out / "all.mkv"), "w") as container:
        stream = container.add_stream("ffv1", rate=12)
        stream.height, stream.width, stream.pix_fmt = 2 * len(face), 6 * len(face), "bgr0"
        for frame in frames[::2]:
            noise = np.random.default_rng().normal(0, 2, face.shape)
            result = np.clip(0.3 * face + 0.7 * frame + 9 + noise, 0, 255).astype(np.uint8)
            picture = np.concatenate([face, frame, result], axis=1).repeat(2, axis=0).repeat(2, axis=1)
            for packet in stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")):
                container.mux(packet)
        container.mux(stream.encode())


def misbehave(mode: str, calls: Sequence[str]) -> None:
    """Crash, hang or end the command that called, as the mode says, in the second call or in every call."""
    if mode.endswith("second") and len(calls) != 2:
        return
    if mode.startswith("crash"):
        print("loading\nno memory \x1b[31mleft", flush=True)
        sys.exit(3)
    if mode.startswith("stop"):
        os.kill(os.getppid(), signal.SIGTERM)
    if mode.startswith(("slow", "stop", "leave")) and (child := os.fork()):
        Path(os.environ["STATE"]).with_name("children").write_text(str(child))
        if mode.startswith("leave"):
            return
    if mode.startswith(("slow", "stop", "leave")):
        time.sleep(60)


def main(mode: str, source: str, driving: str, out: str, seed: str = "0", *options: str) -> None:
    with Path(os.environ["STATE"]).open("a+") as file:
        file.write(f"{os.getpid()}\n")
        file.seek(0)
        calls = file.readlines()
    print("options", *options, "prefix", sys.prefix, flush=True)
    misbehave(mode, calls)
    if mode == "list":
        of_list(Path(source), Path(out))
    elif mode == "pair":
        shutil.copy(driving, Path(out, "frame.png"))
    elif mode == "montage":
        montage(Path(source), Path(driving), Path(out))
    elif mode != "nothing":
        every_frame(Path(driving), Path(out))
    if mode == "few":
        Path(out, "2.png").unlink()
    if mode == "sizes":
        from PIL import Image

        Image.open(Path(out, "1.png")).resize((20, 20)).save(Path(out, "1.png"))
    if mode == "broken":
        Path(out, "1.png").write_text("no picture")


if __name__ == "__main__":
    main(*sys.argv[1:])
