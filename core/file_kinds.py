"""What a file is by its first bytes: one of the two formats of checkpoints, or what people have in place of one."""

from __future__ import annotations

import tarfile
import zipfile
import zlib
from pathlib import Path
from typing import Literal

from talkbench.core.errors import TalkbenchError
from talkbench.core.files import check_regular
from talkbench.core.text import visible

Kind = Literal["safetensors", "torch"]
"""The formats of checkpoints: safetensors, or what ``torch.save`` writes, a zip or a pickle."""

HEAD = 1024
LONGEST_HEADER = 100_000_000
"""Bytes of the longest header that the safetensors library reads."""

COMPRESSED = {
    b"\x1f\x8b": "gzip",
    b"BZh": "bzip2",
    b"\xfd7zXZ": "xz",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"7z\xbc\xaf": "7-Zip",
    b"Rar!": "RAR",
}
OTHERS = {
    b"\x89HDF": "an HDF5 file, as Keras writes them",
    b"\x93NUMPY": "an array of numpy",
    b"%PDF": "a PDF",
    b"\x89PNG": "a picture",
    b"\xff\xd8\xff": "a picture",
}
LFS = b"version https://git-lfs.github.com/spec/"
PAGES = (b"<!doctype html", b"<html", b"<head", b"<?xml", b"<!--")
CHECKPOINTS = (".pth", ".pt", ".tar", ".ckpt", ".bin", ".safetensors")


def checkpoint_kind(path: Path) -> Kind:
    """The format of a checkpoint, whatever its name says.

    Raises:
        TalkbenchError: it is no file, or another kind of file; the message says which, and what to do.
    """
    if is_unpacked(path):
        raise TalkbenchError(
            f"{path} is the unpacked folder of a checkpoint; give the .pth or .pth.tar file itself, which is not to be "
            "unpacked (fetch it anew if it is gone)"
        )
    if path.is_dir():
        raise TalkbenchError(f"{path} is a folder; give the checkpoint in it")
    check_regular(path)
    with path.open("rb") as file:
        head = file.read(HEAD)
    # First, for the length of a header may begin as a zip or a pickle does; neither has zeros in these places.
    if head[8:9] == b"{" and int.from_bytes(head[:8], "little") <= LONGEST_HEADER:
        return "safetensors"
    if head.startswith(b"PK"):
        return _zip(path)
    if head.startswith(b"\x80"):
        return "torch"
    raise TalkbenchError(f"{path} {_other(path, head)}")


def is_unpacked(path: Path) -> bool:
    """Whether a folder is what unzipping a file of ``torch.save`` leaves, with or without the folder in the zip."""
    if not path.is_dir():
        return False
    inside = [entry for entry in path.iterdir() if not entry.name.startswith(".")]
    return (path / "data.pkl").is_file() or (len(inside) == 1 and (inside[0] / "data.pkl").is_file())


def _zip(path: Path) -> Kind:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except Exception as error:  # of damage zipfile, struct and the decoding of names each tell in their own way
        raise TalkbenchError(f"{path} is a damaged or incomplete zip; get it anew") from error
    if any(name.endswith("/constants.pkl") for name in names):
        raise TalkbenchError(f"{path} is a TorchScript archive, which holds code; give the state dicts instead")
    if any(name.endswith("/data.pkl") for name in names):
        return "torch"
    raise TalkbenchError(f"{path} {_archive('zip', names)}")


def _archive(kind: str, names: list[str]) -> str:
    inside = [name for name in names if name.endswith(CHECKPOINTS)] or names
    shown = ", ".join(map(visible, inside[:2])) + (", …" if len(inside) > 2 else "")
    return f"is a {kind} of {len(names)} files ({shown}); unpack it and give the checkpoint in it"


def _other(path: Path, head: bytes) -> str:
    """What a file without a checkpoint's first bytes is, and what to do."""
    if not head:
        return "is empty; get it anew"
    if head.startswith(LFS):
        return "is a pointer of Git LFS, not the file that it stands for; run git lfs pull, or download the file itself"
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if start.startswith(PAGES):
        return "is a web page, so its download went wrong (a login, or a question to confirm); get it in a browser"
    for magic, method in COMPRESSED.items():
        if head.startswith(magic):
            inner = _packed(head) if method == "gzip" else ""
            return f"is compressed with {method}{inner}; unpack it and give the checkpoint in it"
    if head[257:262] == b"ustar":
        return _tar(path)
    what = next((what for magic, what in OTHERS.items() if head.startswith(magic)), "")
    if what:
        return f"is {what}, not a checkpoint of PyTorch; give one"
    return "is damaged or no checkpoint (neither zip, pickle nor safetensors); get it anew"


def _packed(head: bytes) -> str:
    """What is in a gzip."""
    try:
        inside = zlib.decompressobj(wbits=31).decompress(head, HEAD)
    except zlib.error:
        return " and damaged"
    return " (a tar)" if inside[257:262] == b"ustar" else ""


def _tar(path: Path) -> str:
    try:
        with tarfile.open(path, "r:") as archive:
            names = archive.getnames()
    except Exception:  # as of a zip
        return "is a damaged or incomplete tar; get it anew"
    if {"pickle", "storages", "tensors"} <= {Path(name).name for name in names}:
        return "was written by a torch older than 0.1.10; load it there with torch.load and save it with a newer one"
    return _archive("tar", names)
