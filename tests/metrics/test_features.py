"""The cache of real frames' features: what is computed, what is found again, what damage does."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from talkbench.core.errors import TalkbenchError
from talkbench.metrics import Extractor, FeatureCache


class MeanColour(Extractor):
    """The mean colour; none for black frames. Counts the frames it has seen."""

    name = "mean-colour"

    def __init__(self, settings="a"):
        super().__init__()
        self.settings = settings
        self.seen = 0

    @property
    def id(self):
        return f"{self.name}@1.0@{self.settings}"

    def extract(self, images):
        self.seen += len(images)
        return [np.asarray(image.mean(dim=(1, 2))) if image.any() else None for image in images]


@pytest.fixture
def cache(tmp_path):
    return FeatureCache(tmp_path / "features")


@pytest.fixture
def frames():
    some = np.random.default_rng(0).integers(0, 256, (3, 8, 8, 3), np.uint8)
    some[1] = 0
    return list(some)


def check(features, frames):
    for feature, frame in zip(features, frames, strict=True):
        if not frame.any():
            assert feature is None
        else:
            np.testing.assert_allclose(feature, frame.mean(axis=(0, 1)) / 255, rtol=1e-5)


def test_a_second_look_costs_nothing_even_for_frames_without_a_face(cache, frames):
    check(cache.get_or_extract(MeanColour(), frames), frames)
    again = MeanColour()
    check(FeatureCache(cache.folder).get_or_extract(again, frames[::-1]), frames[::-1])
    assert again.seen == 0


def test_only_new_frames_are_extracted_and_equal_ones_once(cache, frames):
    extractor = MeanColour()
    cache.get_or_extract(extractor, frames[:1])
    asked = [frames[2], frames[0], frames[2].copy(), frames[1]]
    check(cache.get_or_extract(extractor, asked), asked)
    assert extractor.seen == 3


def test_another_extractor_id_and_another_shape_are_other_features(cache, frames):
    cache.get_or_extract(MeanColour("a"), frames)
    other = MeanColour("b")
    cache.get_or_extract(other, frames)
    cache.get_or_extract(other, [frame.reshape(4, 16, 3) for frame in frames])
    assert other.seen == 6


def test_dtype_and_values_survive_the_disk(cache, frames):
    fresh = cache.get_or_extract(MeanColour(), frames)
    stored = cache.get_or_extract(MeanColour(), frames)
    np.testing.assert_array_equal(stored[0], fresh[0])
    assert stored[0].dtype == fresh[0].dtype == np.float32


def truncated(data):
    return data[: len(data) // 2]


def flipped(data):
    middle = data.index(b"\x93NUMPY") + 130  # in the values
    return data[:middle] + bytes([data[middle] ^ 0xFF]) + data[middle + 1 :]


@pytest.mark.parametrize("damage", [truncated, flipped, lambda data: b"", lambda data: b"not an archive"])
def test_a_damaged_file_is_computed_again_and_mended(cache, frames, damage):
    cache.get_or_extract(MeanColour(), frames[:1])
    (file,) = cache.folder.rglob("*.npz")
    file.write_bytes(damage(file.read_bytes()))
    extractor = MeanColour()
    check(cache.get_or_extract(extractor, frames[:1]), frames[:1])
    check(cache.get_or_extract(extractor, frames[:1]), frames[:1])
    assert extractor.seen == 1


def test_a_failed_extraction_leaves_nothing(cache, frames):
    class Broken(MeanColour):
        def extract(self, images):
            raise RuntimeError

    with pytest.raises(RuntimeError):
        cache.get_or_extract(Broken(), frames)
    assert not list(cache.folder.rglob("*.npz"))


def test_several_writers_share_a_folder(cache, frames):
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda _: cache.get_or_extract(MeanColour(), frames), range(16)))
    for features in results:
        check(features, frames)
    assert len(list(cache.folder.rglob("*.npz"))) == 3


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path, frames):
    (tmp_path / "file").touch()
    with pytest.raises(TalkbenchError, match="cannot write"):
        FeatureCache(tmp_path / "file").get_or_extract(MeanColour(), frames)


def test_the_default_folder_is_in_the_cache_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("TALKBENCH_HOME", str(tmp_path))
    assert FeatureCache().folder == tmp_path / "features"
