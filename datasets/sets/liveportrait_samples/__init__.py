"""LivePortrait's sample videos: 17 people, one video each, which anyone may download and evaluate on."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from talkbench.datasets.fetched import FetchedDataset
from talkbench.datasets.registration import registry

registry.register("liveportrait-samples")(partial(FetchedDataset, card=Path(__file__).with_name("card.yaml")))
