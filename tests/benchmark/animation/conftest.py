"""`bench animate` with a method of the tests, and a detector that sees the faces that a test paints."""

import pytest
from painted_faces import seen

from talkbench.benchmark.animation import faces


@pytest.fixture
def detector(monkeypatch):
    """Sees painted faces in place of MTCNN, which sees people."""
    monkeypatch.setattr(faces, "detect_faces", lambda images: [seen(image) for image in images])


@pytest.fixture
def drive(bench, detector):
    """Animates `source` by `driving`; options given here come last and so win."""

    def run(source, driving, *options, out="result.mp4"):
        command = ("animate", "--method", "blend", "--set", "side=64", "--motion", "absolute", "--out", out)
        return bench(*command, "--source", source, "--driving", driving, *options)

    return run
