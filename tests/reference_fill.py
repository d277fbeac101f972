"""Deterministic weights and images for parity checks.

`fill_(module, salt)` overwrites every parameter and buffer of a torch module with values that
depend only on `salt`, the state-dict key and the shape, so two implementations of the same
network whose state dicts agree in keys and shapes hold bit-identical weights without any
weight file changing hands. `image(seed, size)` makes a smooth RGB test image.
"""

import zlib

import numpy as np
import torch

_FROZEN = ("num_batches_tracked",)


def tensor_for(salt: str, key: str, shape: tuple[int, ...]) -> np.ndarray:
    """Values for one state-dict entry: float32, shape `shape`; drawn from RandomState(crc32(salt:key))."""
    rng = np.random.RandomState(zlib.crc32(f"{salt}:{key}".encode()))
    leaf = key.rsplit(".", 1)[-1]
    if leaf == "running_var":
        value = rng.uniform(0.5, 1.5, shape)
    elif leaf == "running_mean":
        value = 0.1 * rng.standard_normal(shape)
    elif len(shape) <= 1 and leaf == "weight":  # affine scale of a normalisation layer
        value = rng.uniform(0.8, 1.2, shape)
    elif len(shape) <= 1:  # biases and other vectors
        value = 0.05 * rng.standard_normal(shape)
    else:  # convolution, linear and memory tensors
        fan_in = int(np.prod(shape[1:]))
        value = rng.standard_normal(shape) * np.sqrt(2.0 / fan_in)
    return np.asarray(value, dtype=np.float32)


def fill_(module: torch.nn.Module, salt: str, keep: tuple[str, ...] = ()) -> torch.nn.Module:
    """Fill `module` in place. Entries whose key ends in one of `keep`, integer entries, and
    fixed (non-learned) kernels named in `keep` stay as the constructor made them."""
    state = module.state_dict()
    for key, value in state.items():
        if key.endswith(_FROZEN) or not value.is_floating_point() or (keep and key.endswith(tuple(keep))):
            continue
        state[key] = torch.from_numpy(tensor_for(salt, key, tuple(value.shape))).to(value.dtype)
    module.load_state_dict(state, strict=True)
    return module.eval()


def image(seed: int, size: int = 256, cells: int = 12) -> torch.Tensor:
    """A smooth random RGB image, shape (1, 3, size, size), float32 in [0, 1], quantised to 8 bits."""
    rng = np.random.RandomState(seed)
    coarse = torch.from_numpy(rng.uniform(0, 1, (1, 3, cells, cells)).astype(np.float32))
    smooth = torch.nn.functional.interpolate(coarse, size=(size, size), mode="bicubic", align_corners=True)
    return (smooth.clamp(0, 1) * 255).round() / 255
