"""Lists of faulty clips and frames."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import click

from talkbench.core.text import visible

SHOWN = 3  # examples of each kind of fault


def print_faults(faults: Sequence[tuple[str, str]], unit: str) -> None:
    """Print how many faults of each kind there are, and the first messages.

    Args:
        faults: kind and message of each.
        unit: the plural of what is faulty.
    """
    for kind, count in Counter(kind for kind, _ in faults).most_common():
        click.echo(f"  {visible(kind)}: {count} {unit}")
        messages = list(dict.fromkeys(message for other, message in faults if other == kind))
        for message in messages[:SHOWN]:
            click.echo(f"    {visible(message)}")
        if len(messages) > SHOWN:
            click.echo(f"    … and {len(messages) - SHOWN} more")
