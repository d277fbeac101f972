"""What people have in place of a checkpoint is named, with what to do."""

import gzip
import io
import os
import tarfile
import zipfile
from pathlib import Path

import pytest
import torch

from talkbench.core.errors import TalkbenchError
from talkbench.core.file_kinds import checkpoint_kind, is_unpacked
from talkbench.core.tensor_files import read_tensors


def torch_bytes(zipped: bool = True) -> bytes:
    file = io.BytesIO()
    torch.save({"x": torch.zeros(2)}, file, _use_new_zipfile_serialization=zipped)
    return file.getvalue()


def packed(kind: str, *names: str) -> bytes:
    file = io.BytesIO()
    if kind == "zip":
        with zipfile.ZipFile(file, "w") as archive:
            for name in names:
                archive.writestr(name, b"weights")
    else:
        with tarfile.open(fileobj=file, mode="w") as tar:
            for name in names:
                tar.addfile(tarfile.TarInfo(name))
    return file.getvalue()


LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:a8c59e0b38f9\nsize 291747542\n"
OTHERS = {
    "empty": (b"", "is empty; get it anew"),
    "nothing": (b"hello", "is damaged or no checkpoint (neither zip, pickle nor safetensors); get it anew"),
    "page": (b"\n\n<!DOCTYPE html><html><title>Google Drive - Virus scan warning", "is a web page, so its download"),
    "page with a mark": (b"\xef\xbb\xbf<html>", "is a web page, so its download went wrong"),
    "pointer": (
        LFS,
        "is a pointer of Git LFS, not the file that it stands for; run git lfs pull, or download the file",
    ),
    "zip": (
        packed("zip", "a/readme.txt", "a/vox.pth"),
        "is a zip of 2 files (a/vox.pth); unpack it and give the check",
    ),
    "tar": (packed("tar", "a.pth", "b.pth", "c.pth"), "is a tar of 3 files (a.pth, b.pth, …); unpack it"),
    "old tar": (packed("tar", "pickle", "storages", "sys_info", "tensors"), "was written by a torch older than 0.1.10"),
    "gzip": (gzip.compress(b"weights"), "is compressed with gzip; unpack it and give the checkpoint in it"),
    "tar.gz": (gzip.compress(packed("tar", "a.pth")), "is compressed with gzip (a tar); unpack it"),
    "cut gzip": (b"\x1f\x8b\xff\xff", "is compressed with gzip and damaged"),
    "7z": (b"7z\xbc\xaf\x27\x1c", "is compressed with 7-Zip; unpack it"),
    "TorchScript": (packed("zip", "a/data.pkl", "a/constants.pkl"), "is a TorchScript archive, which holds code"),
    "cut zip": (torch_bytes()[:300], "is a damaged or incomplete zip; get it anew"),
    "Keras": (b"\x89HDF\r\n\x1a\n", "is an HDF5 file, as Keras writes them, not a checkpoint of PyTorch"),
    "escapes": (packed("zip", "\x1b[31m.pth"), r"is a zip of 1 files (\x1b[31m.pth)"),
}


@pytest.mark.parametrize("kind", OTHERS)
def test_what_is_no_checkpoint_is_named(tmp_path: Path, kind: str) -> None:
    content, said = OTHERS[kind]
    path = tmp_path / "vox-cpk.pth.tar"
    path.write_bytes(content)
    with pytest.raises(TalkbenchError) as caught:
        checkpoint_kind(path)
    assert str(caught.value).startswith(f"{path} {said}")
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("zipped", [True, False])
def test_the_two_ways_of_torch(tmp_path: Path, zipped: bool) -> None:
    (tmp_path / "x.safetensors").write_bytes(torch_bytes(zipped))
    assert checkpoint_kind(tmp_path / "x.safetensors") == "torch"


@pytest.mark.parametrize("length", [0x4B50, 0x80, 0x1F8B, 0x0280])
def test_a_length_that_looks_like_another_kind(tmp_path: Path, length: int) -> None:
    (tmp_path / "x").write_bytes(length.to_bytes(8, "little") + b"{}".ljust(length))
    assert checkpoint_kind(tmp_path / "x") == "safetensors"
    assert read_tensors(tmp_path / "x").content == {}


@pytest.mark.parametrize("below", [".", "archive"])
def test_an_unpacked_checkpoint(tmp_path: Path, below: str) -> None:
    folder = tmp_path / "vox-cpk.pth"
    zipfile.ZipFile(io.BytesIO(torch_bytes())).extractall(tmp_path / "zip")  # noqa: S202
    (folder / below).parent.mkdir(exist_ok=True, parents=True)
    next((tmp_path / "zip").iterdir()).rename(folder / below if below != "." else folder)
    assert is_unpacked(folder)
    assert not is_unpacked(tmp_path)
    with pytest.raises(TalkbenchError, match=r"vox-cpk.pth is the unpacked folder of a checkpoint; give the \.pth or"):
        checkpoint_kind(folder)


def test_what_is_no_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.pth")
    with pytest.raises(TalkbenchError, match=r"pipe.pth is a pipe; give a file"):
        checkpoint_kind(tmp_path / "pipe.pth")
    with pytest.raises(TalkbenchError, match=r" is a folder; give the checkpoint in it"):
        checkpoint_kind(tmp_path)
