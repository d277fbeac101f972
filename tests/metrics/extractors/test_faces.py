"""What extractors of faces refuse as no batch of images, and libraries that cannot be imported."""

import re
import sys

import pytest
import torch

from talkbench import metrics
from talkbench.core.errors import TalkbenchError
from talkbench.metrics.extractors.faces import at_size

BATCHES = {
    "1x1x64x64 of torch.float32": torch.rand(1, 1, 64, 64),
    "1x4x64x64 of torch.float32": torch.rand(1, 4, 64, 64),
    "1x64x64x3 of torch.float32": torch.rand(1, 64, 64, 3),
    "3x64x64 of torch.float32": torch.rand(3, 64, 64),
    "1x3x64x64 of torch.uint8": torch.zeros(1, 3, 64, 64, dtype=torch.uint8),
}


@pytest.mark.parametrize("shape", BATCHES)
def test_grey_and_transparent_images_and_bytes_are_refused(shape):
    with pytest.raises(TalkbenchError, match=rf"RGB images as floats in \[0, 1\], Bx3xHxW, not {shape}; read files"):
        at_size(BATCHES[shape])


@pytest.mark.parametrize("name", ["mtcnn5", "dlib68", "dlib128", "mp478", "mp52", "efficientnet-lite0"])
def test_extractors_say_so(name, load):
    extractor = load(name)
    for images in BATCHES.values():
        with pytest.raises(TalkbenchError, match="RGB images as floats"):
            extractor.extract(images)
    assert extractor.extract(torch.zeros(0, 3, 64, 64)) == []


@pytest.mark.parametrize(
    ("name", "module", "library"),
    [
        ("dlib68", "dlib", "dlib-bin"),
        ("dlib128", "dlib", "dlib-bin"),
        ("mp478", "ai_edge_litert.interpreter", "ai-edge-litert"),
        ("mp52", "ai_edge_litert.interpreter", "ai-edge-litert"),
    ],
)
def test_a_library_that_cannot_be_imported_is_named_in_one_line(name, module, library, place, monkeypatch):
    """Its wheel is of another system, say."""
    extractor = metrics.create_extractor(name)
    for file in extractor.files():
        place(file)
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(TalkbenchError) as error:
        extractor.extract(torch.zeros(1, 3, 64, 64))
    line = rf"{library} is installed and cannot be imported \(import of {module} halted.*\): pip install .* {library}"
    assert re.fullmatch(line, str(error.value))
