"""TED-talks: speakers on a stage, to the waist."""

from __future__ import annotations

from talkbench.datasets import registry
from talkbench.datasets.external import Published
from talkbench.datasets.preparation.metadata import TED_TEST_TALKS


@registry.register("ted-talks")
class TedTalks(Published):
    """Clips ``<YouTube id>#<start>#<end>.mp4``; the identity is the talk, since nothing names the speaker."""

    name = "ted-talks"

    @property
    def test_identities(self) -> set[str]:
        return TED_TEST_TALKS
