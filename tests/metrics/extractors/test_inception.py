"""Inception features through torch-fidelity, with a network filled by the test."""

import numpy as np
import torch
from reference_fill import image

from talkbench.metrics import weights


def test_features_are_the_librarys_of_the_8_bit_image(load):
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    images = torch.cat([image(1, 256), image(2, 256)])
    found = load("inception-fid").extract(images)
    library = FeatureExtractorInceptionV3("inception-v3-compat", ["2048"], str(weights.path("inception-fid")))
    (expected,) = library((images * 255).round().byte())
    assert [feature.shape for feature in found] == [(2048,)] * 2
    assert {feature.dtype for feature in found} == {np.dtype(np.float32)}
    np.testing.assert_allclose(np.stack(found), expected, rtol=1e-5, atol=1e-6)
    assert np.abs(found[0] - found[1]).max() > 0.01
