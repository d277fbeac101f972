"""MLflow's client, and its file stores for one process at a time."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from talkbench.core.locks import locked

TOTAL = 300.0
"""Seconds that all calls which belong together may take, and that a file store may take to be made or to get free."""


def client_class() -> Any:
    """MLflow's client, set up so that it is quiet and gives up soon; the first call takes seconds."""
    settings = {
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",  # standard output is the command's
        # A server that is down must not hold up the run for MLflow's default of several minutes.
        "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    }
    for name, value in settings.items():
        os.environ.setdefault(name, value)
    for name in ("mlflow.store.db.utils", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.getLogger("urllib3.connectionpool").setLevel(logging.ERROR)  # our one warning is enough
    from mlflow import MlflowClient

    return MlflowClient


def _file(uri: str) -> Path | None:
    """The file of a sqlite store; None for other stores."""
    if not uri.startswith("sqlite:"):
        return None
    from sqlalchemy import make_url

    name = make_url(uri).database
    return Path(name) if name and name != ":memory:" else None


@contextmanager
def alone(uri: str) -> Iterator[None]:
    """Keep other processes out of a file store: sqlite cannot be made twice at once, and waits for seconds only."""
    file = _file(uri)
    if file is None:
        yield
        return
    # MLflow takes the URI for a path and makes its folder, which is another one where a "?" is written as "%3F".
    raw = Path(uri.removeprefix("sqlite:///")).parent
    strays = [folder for folder in (raw, *raw.parents) if not folder.exists()] if raw != file.parent else []
    with locked(file.parent, "is tracking a run in", TOTAL, name=f".{file.name}.lock"):
        try:
            yield
        finally:
            with suppress(OSError):
                for folder in strays:
                    folder.rmdir()
