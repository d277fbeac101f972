"""What a process does that tracks a run; a module of its own, so that other processes can import it."""

import sys
from pathlib import Path

from talkbench.benchmark.tracking import Tracker
from talkbench.results import RunStore


def track(store: RunStore, name: str, address: str | None) -> None:
    """Track a run that was scored before under another name; ends the process with 1 if a warning is due."""
    runs, warnings = Path("runs"), list[str]()
    record = store.read_record().model_copy(update={"run_id": name})
    with Tracker(address, warnings.append) as tracker:
        tracker.start(record, runs)
        tracker.finish(store.read_record(), store.rows(), store.read_summary(), [store.folder / "run.json"])
    print(*warnings)
    sys.exit(bool(warnings))
