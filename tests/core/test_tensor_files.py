"""Files of tensors are read without their code, values of numpy included."""

from pathlib import Path

import numpy as np
import pytest
import torch
from foreign_pickles import PICKLE, Named

from talkbench.core.errors import TalkbenchError
from talkbench.core.tensor_files import read_tensors

VALUES = {
    "int64": (np.int64(-3), -3),
    "uint8": (np.uint8(3), 3),
    "float64": (np.float64(0.5), 0.5),
    "float32": (np.float32(0.5), 0.5),
    "float16": (np.float16(0.5), 0.5),
    "bool": (np.bool_(True), True),
    "complex64": (np.complex64(1j), 1j),
    "str": (np.str_("é"), "é"),
    "bytes": (np.bytes_(b"ab"), b"ab"),
    "other byte order": (np.array([5], ">i4")[0], 5),
}


@pytest.mark.parametrize("kind", VALUES)
@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "old serialisation"])
def test_numpy_s_scalars_are_read(tmp_path: Path, kind: str, zipped: bool) -> None:
    value, plain = VALUES[kind]
    torch.save({"epoch": value}, tmp_path / "x.pth", _use_new_zipfile_serialization=zipped)
    epoch = read_tensors(tmp_path / "x.pth").content["epoch"]
    assert (epoch, type(epoch)) == (plain, type(plain))


def written(path: Path, value: object) -> Path:
    """A file of ``torch.save`` that names the globals of `value`, whether they exist or not."""
    torch.save({"epoch": value}, path, pickle_module=PICKLE)
    return path


def _bytes(value: int) -> Named:
    return Named("_codecs.encode", value.to_bytes(8, "little").decode("latin1"), "latin1")


@pytest.mark.parametrize("module", ["numpy.core.multiarray", "numpy._core.multiarray"])
def test_the_names_of_numpy_1_and_2(tmp_path: Path, module: str) -> None:
    scalar = Named(f"{module}.scalar", Named("numpy.dtype", "i8", False, True), _bytes(7))
    assert read_tensors(written(tmp_path / "x.pth", scalar)).content == {"epoch": 7}


@pytest.mark.parametrize(
    "value",
    [
        Named("numpy.core.multiarray.scalar", Named("numpy.dtype", "O", False, True), _bytes(7)),
        Named("numpy.core.multiarray.scalar", Named("numpy.dtype", "i8", False, True), Named("_codecs.encode", "a")),
        Named("numpy.core.multiarray.scalar", "i8", _bytes(7)),
        Named("numpy.dtype"),
        Named("os.system", "touch it-ran"),
        Named("builtins.eval", "1"),
        Named("numpy.load", "x"),
    ],
    ids=["objects", "too short", "no type", "no code", "os.system", "eval", "numpy.load"],
)
def test_everything_else_is_refused(tmp_path: Path, value: Named, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = written(tmp_path / "x.pth", value)
    with pytest.raises(TalkbenchError, match=r"^\S*x\.pth (is damaged|holds more than tensors)") as caught:
        read_tensors(path)
    assert str(caught.value).isprintable()
    assert not (tmp_path / "it-ran").exists()
