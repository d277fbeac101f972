"""Under autocast, coordinates keep float32: a bfloat16 has steps of half a pixel at the border of a 256 image."""

import torch
from reference_fill import image

from talkbench import methods


def test_keypoints_and_flows_of_the_first_order_family_stay_in_float32() -> None:
    torch.manual_seed(0)
    method = methods.create("mcnet@demo")
    frames = [image(seed, 128) for seed in (1, 2, 3)]
    with torch.autocast("cpu", torch.bfloat16):
        source, reference, driving = method.encode_source(frames[0]), *map(method.encode_motion, frames[1:])
        moved = method.transfer(source, driving, reference)
        flow = method.networks["generator"](source, moved).motion.deformation
    for keypoints in (driving, moved):
        assert keypoints.value.dtype == keypoints.jacobian.dtype == torch.float32
    # Rounded to bfloat16, none would differ from what it is then.
    assert (flow != flow.bfloat16()).any()
    assert flow.dtype == torch.float32
