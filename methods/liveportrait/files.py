"""LivePortrait's five files (docs/specs/liveportrait.md 1.1)."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from torch import nn

from talkbench.core.cards import MethodCard
from talkbench.core.errors import TalkbenchError
from talkbench.core.text import few
from talkbench.methods import cards
from talkbench.methods.loading import load_networks

LOG = logging.getLogger("talkbench")

NAME = "liveportrait"
ANIMALS = "liveportrait_animals"
"""The authors' folder of weights for animals, whose networks have the same keys and shapes."""


def load_files(
    networks: Mapping[str, nn.Module], path: Path, optional: Collection[str], used: Sequence[str]
) -> dict[str, str]:
    """Load all networks from the file of the decoder and the files that belong to it, or from one file of them all.

    Args:
        optional: networks that may be missing, unless they are among those `used`.

    Returns:
        The SHA-256 of the main file under "", and of the file of each network that lies beside it, but of the optional
        ones only if they are used.

    Raises:
        TalkbenchError: a file is missing, damaged, of the animals, or does not fit.
    """
    if ANIMALS in path.absolute().parts:
        raise TalkbenchError(
            f"{path} is of the authors' model for animals; {NAME} needs the files of their folder {NAME}"
        )
    card, files = cards.card(NAME), cards.files_beside(NAME, path)
    assert card.weights is not None
    present = {network: file for network, file in files.items() if file.is_file()}
    checkpoint = load_networks(networks, path, NAME, optional=files, beside=present, main=card.weights.network)
    missing = {network: card.beside[network].file for network in files if network not in checkpoint.parts}
    needed = dict.fromkeys(file for network, file in missing.items() if network not in optional or network in used)
    if needed:
        purpose = NAME if set(missing) - set(optional) else f"stitching or retargeting of {NAME}"
        raise TalkbenchError(
            f"{purpose} needs {few(list(needed))} beside {path}: {card.weights.source} has them; put them there, or "
            f"keep all files in the store: bench weights pull {NAME}"
        )
    if missing:
        LOG.warning(f"no {few(list(dict.fromkeys(missing.values())))} beside {path}: no stitching and no retargeting")
    beside = {network: digest for network, digest in checkpoint.sha256.items() if network}
    if beside:  # not one converted file
        _doubt_unpublished(card, path, checkpoint.sha256)
    return {"": checkpoint.sha256[""], **{key: beside[key] for key in beside if key not in optional or key in used}}


def _doubt_unpublished(card: MethodCard, path: Path, sha256: Mapping[str, str]) -> None:
    """Name the files, of the main one at `path` on, that are not the published ones."""
    published = {"": card.weights, **card.beside}
    others = [file for network, file in published.items() if file and sha256.get(network, file.sha256) != file.sha256]
    if others:
        names = dict.fromkeys(Path(file.file).name for file in others)
        LOG.warning(
            f"{path}: by their sha256, {', '.join(names)} are not the files that the authors published for {NAME}; "
            f"those of {ANIMALS} fit as well and would be wrong"
        )
