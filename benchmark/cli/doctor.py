"""`bench doctor`."""

from __future__ import annotations

import click


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON: by section a list of name, ok, about and remedy.")
@click.option("--all", "everything", is_flag=True, help="Say of every library, method and metric what is known.")
def command(as_json: bool, everything: bool) -> None:
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
        import json
        from dataclasses import asdict

        content = {heading: [asdict(part) for part in parts] for heading, parts in sections.items()}
        click.echo(json.dumps(content, indent=2))
        return
    from talkbench.benchmark.cli.print.doctor import print_sections

    print_sections(sections, everything)
