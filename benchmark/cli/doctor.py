"""`bench doctor`."""

from __future__ import annotations

import click

from talkbench.benchmark.cli.output import answer, json_option


@click.command()
@click.option("--all", "everything", is_flag=True, help="Say of every library, method and metric what is known.")
@json_option("by section a list of name, ok, about and remedy")
def command(everything: bool, as_json: bool) -> None:
    """Show what this machine has, and what can run on it.

    Versions, libraries, devices, folders and free disk; which methods have weights, which metrics can be computed and
    which data sets are here, and for the others what to do. Nothing is fetched or written, and the exit code is 0
    whatever is missing. Reports of faults gain by its output.

    \b
    bench doctor
    bench doctor --all
    bench doctor --json > doctor.json
    """
    from talkbench.benchmark.doctor import examine

    sections = examine()
    if as_json:
        answer(**sections)
        return
    from talkbench.benchmark.cli.print.doctor import print_sections

    print_sections(sections, everything)
