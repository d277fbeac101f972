"""Images and numbers on their way between the host and a device, which is made to wait as little as can be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from talkbench.core.images import from_levels

if TYPE_CHECKING:
    import torch


def upload(images: Sequence[np.ndarray], device: torch.device | str) -> torch.Tensor:
    """uint8 images of one shape (H, W, 3) on `device`, (N, H, W, 3). A CUDA device fetches them while the host goes
    on."""
    import torch

    pinned = torch.device(device).type == "cuda"
    stacked = torch.empty((len(images), *images[0].shape), dtype=torch.uint8, pin_memory=pinned)
    np.stack(images, out=stacked.numpy())
    return stacked.to(device, non_blocking=pinned)


def upload_numbers(numbers: Sequence[int] | Sequence[Sequence[int]], device: torch.device | str) -> torch.Tensor:
    """Whole numbers, such as indices, on `device`, in the manner of `upload`."""
    import torch

    return send(torch.tensor(numbers), torch.device(device))


def send(tensor: torch.Tensor, device: torch.device) -> torch.Tensor:
    """A tensor of the host on `device`, in the manner of `upload`."""
    pinned = device.type == "cuda"
    return (tensor.pin_memory() if pinned else tensor).to(device, non_blocking=pinned)


class OnDevice:
    """Images on a device, uint8 of one shape (H, W, 3), by any keys.

    Args:
        images: by their keys. Those that are asked for together are best neighbours.
    """

    def __init__(self, images: Mapping[Any, np.ndarray], device: torch.device | str) -> None:
        self._levels = upload([*images.values()], device)
        self._places = {key: place for place, key in enumerate(images)}

    def __call__(self, keys: Sequence[Any]) -> torch.Tensor:
        """The images of these keys, float32 (N, 3, H, W) in [0, 1]."""
        places = [self._places[key] for key in keys]
        start, end = places[0], places[0] + len(places)
        if places == [*range(start, end)]:  # then no index has to go to the device
            return from_levels(self._levels[start:end])
        return from_levels(self._levels[upload_numbers(places, self._levels.device)])


class Download:
    """Tensors of one device on their way to the host.

    From a CUDA device they are fetched behind the work that computes them, and the host goes on meanwhile.
    """

    def __init__(self, tensors: Sequence[torch.Tensor]) -> None:
        import torch

        # Only CUDA has an event to wait for; there torch gives tensors that are fetched so pinned memory.
        queued = bool(tensors) and tensors[0].is_cuda
        self._tensors = [tensor.detach().to("cpu", non_blocking=queued) for tensor in tensors]
        self._event = torch.cuda.Event() if queued else None
        if self._event is not None:
            self._event.record(torch.cuda.current_stream(tensors[0].device))

    def wait(self) -> list[np.ndarray]:
        """The tensors as arrays; waits for the work that computes them, and for no work that was begun after it."""
        if self._event is not None:
            self._event.synchronize()
        return [tensor.numpy() for tensor in self._tensors]
