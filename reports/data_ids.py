"""Whether two runs saw the same frames: pairs of unlike data are no pairs, whatever their names."""

from __future__ import annotations

from talkbench.core.errors import TalkbenchError
from talkbench.reports.runs import Run
from talkbench.results.content import first_difference

NONE = "none"
"""What stands for the data id of a record that is older than data ids."""

OLDER = "no data id: the record is older than data ids, so nothing says which frames these were"


def departure(a: Run, b: Run) -> str:
    """``data id: one / other`` if it is not known that both saw the same frames; "" if it is, and for two records that
    are both older than data ids.

    Raises:
        TalkbenchError: it is known that the two saw unlike frames.
    """
    data_a, data_b = a.record.dataset, b.record.dataset
    if data_a.data_id == data_b.data_id:
        return ""
    ids = f"data id: {data_a.data_id or NONE} / {data_b.data_id or NONE}"
    frame = first_difference(a.contents, b.contents)
    one_list = bool(data_a.data_id and data_b.data_id) and data_a.pairs_sha256 == data_b.pairs_sha256
    if not frame and (parts := [run.record for run in (a, b) if run.record.shard]):
        named = " and ".join(f"{record.run_id} is shard {record.shard} of a run" for record in parts)
        raise TalkbenchError(f"{named}; put the shards together with bench merge")
    if frame or one_list:
        example = f"; {frame} differs, for one" if frame else ""
        raise TalkbenchError(
            f"{a.record.run_id} and {b.record.run_id} were scored on other frames of the same names ({ids}{example}); "
            "run one of them again on the data of the other"
        )
    return "" if a.contents and b.contents else ids
