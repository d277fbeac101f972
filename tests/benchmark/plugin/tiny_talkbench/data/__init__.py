"""A data set of clips that the tests draw."""

from talkbench.core.errors import TalkbenchError
from talkbench.datasets.dataset import Dataset


class Tiny(Dataset):
    """Clips ``a`` and ``b`` of 8 frames, 48x48."""

    name = "tiny"

    def prepare(self) -> None:
        if not self.root.is_dir():
            raise TalkbenchError(f"there are no clips in {self.root}; name their folder with --root")
