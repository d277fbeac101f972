"""Images go to a device and come back as they were."""

import numpy as np
import torch

from talkbench.core.images import Download, OnDevice, to_tensor, upload, upload_numbers

CPU = torch.device("cpu")


def pictures(count: int) -> list[np.ndarray]:
    return [*np.random.default_rng(0).integers(0, 256, (count, 5, 7, 3), dtype=np.uint8)]


def test_there_and_back() -> None:
    images = pictures(3)
    whole, numbers = Download([upload(images, CPU), upload_numbers([[1, 2], [3, 4]], CPU)]).wait()
    assert np.array_equal(whole, np.stack(images))
    assert numbers.tolist() == [[1, 2], [3, 4]]
    assert Download([]).wait() == []


def test_images_by_their_keys_are_those_of_to_tensor() -> None:
    """In values and in memory layout, on which the last bits of sums depend."""
    images = pictures(4)
    on_device = OnDevice(dict(zip("abcd", images, strict=True)), CPU)
    for keys in ("abcd", "bc", "d", "bb", "da", "cab"):
        expected = to_tensor(np.stack([images["abcd".index(key)] for key in keys]))
        tensor = on_device([*keys])
        assert torch.equal(tensor, expected)
        assert tensor.stride() == expected.stride()
