"""What MkDocs does for the manual beside building its pages.

- Every command of ``bench`` has a page below ``commands/``, made from the command itself.
- Pages named in ``REPOSITORY`` are files of the repository's root, with their links turned to the pages of the manual.
- Links of notebooks are turned to pages too, and what would load a library from elsewhere is left out of them.
- Links to ``leaderboard:PATH`` lead to the pages of ``bench leaderboard build``, in whose folder the manual stands.
- ``llms.txt`` lists every page with what it is about, for programs that read manuals.
"""

from __future__ import annotations

import inspect
import posixpath
import re
from pathlib import Path

import click
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.nav import Navigation
from mkdocs.structure.pages import Page

from talkbench.benchmark.cli.main import bench

DOCS = Path(__file__).parent
REPOSITORY = {"contributing.md": "CONTRIBUTING.md", "changelog.md": "CHANGELOG.md", "licences.md": "NOTICE"}
PICTURES = {"contest.webp": "results/entries/contest.webp", "contest-still.webp": "results/entries/contest-still.webp"}
ABOUT = {
    "contributing.md": "How to add a method, a metric, a data set or a result, in the tree or from a package.",
    "changelog.md": "What has changed, and which numbers have.",
    "licences.md": "Whose weights, data and code talkbench uses, and on what terms.",
    "notebooks/evaluate.ipynb": "Evaluate, compare and look, in a notebook.",
    "specs/README.md": "What methods and metrics are, down to the formula, and where that is known from.",
}
"""Of pages that have no description at their head; the specifications have theirs in the list of `specs/README.md`."""


def commands(group: click.Group = bench) -> dict[str, click.Command]:
    context = click.Context(group)
    named = {name: group.get_command(context, name) for name in group.list_commands(context)}
    return {name: command for name, command in named.items() if command is not None}


def on_config(config: MkDocsConfig) -> None:
    _add_commands(config.nav or [])


def _add_commands(entries: list[dict[str, object] | str]) -> None:
    """The pages of the commands follow the first one of their section."""
    if "commands/index.md" in entries:
        entries += [{f"bench {name}": f"commands/{name}.md"} for name in commands()]
    for entry in entries:
        for below in entry.values() if isinstance(entry, dict) else []:
            if isinstance(below, list):
                _add_commands(below)


def _write_for_a_page(command: click.Command, context: click.Context) -> None:
    """Examples become blocks of code, and every option gets a default in words, which mkdocs-click writes as it is."""
    blocks = re.split(r"^\x08$\n((?:.+\n?)+)", inspect.cleandoc(command.help or ""), flags=re.MULTILINE)
    blocks[0::2] = [_escaped(block) for block in blocks[0::2]]
    blocks[1::2] = [f"```text\n{block.rstrip()}\n```\n" for block in blocks[1::2]]
    command.help = "\n".join(blocks)
    for option in command.get_params(context):
        if isinstance(option, click.Option):
            default = option.to_info_dict()["default"]
            unset = default is None or default is False or default == ()
            text = "required" if option.required else "–" if unset else default
            option.default = option.show_default if isinstance(option.show_default, str) else text
            option.help = _escaped(option.help or "").replace("|", "\\|")
    if isinstance(command, click.Group):
        for name, below in commands(command).items():
            below.name = name
            _write_for_a_page(below, click.Context(below))


def _escaped(text: str) -> str:
    return text.replace("<", "&lt;").replace("*", "\\*")


def on_files(files: Files, config: MkDocsConfig) -> None:
    for name, command in commands().items():
        _write_for_a_page(command, click.Context(command))
        files.append(File.generated(config, f"commands/{name}.md", content=_page_of_command(name, command)))
    for name, path in REPOSITORY.items():
        files.append(File.generated(config, name, content=_page_of_file(DOCS.parent / path)))
    for name, path in PICTURES.items():
        files.append(File.generated(config, name, abs_src_path=str(DOCS.parent / path)))


def _page_of_command(name: str, command: click.Command) -> str:
    about = (command.help or "").splitlines()[0]
    options = {
        "module": f"talkbench.benchmark.cli.{name.replace('-', '_')}",
        "command": "command",
        "prog_name": f"bench {name}",
        "depth": "0",
        "style": "table",
    }
    lines = [f"    :{option}: {value}" for option, value in options.items()]
    return "\n".join(["---", f'description: "{about}"', "---", "::: mkdocs-click", *lines, ""])


def _page_of_file(path: Path) -> str:
    """A file of the repository's root as a page: links to ``docs/`` are links to pages."""
    text = path.read_text(encoding="utf-8")
    if path.suffix != ".md":
        return f"# Notices\n\n```text\n{text}```\n"
    return text.replace("](docs/", "](").replace("](NOTICE)", "](licences.md)")


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Links to files of the root lead to their pages."""
    for name, path in REPOSITORY.items():
        target = posixpath.relpath(name, posixpath.dirname(page.file.src_uri) or ".")
        markdown = re.sub(rf"\]\((?:\.\./)+{re.escape(path)}(?=[#)])", f"]({target}", markdown)
    return markdown


def on_post_page(output: str, page: Page, config: MkDocsConfig) -> str:
    up = "../" * (page.file.dest_uri.count("/") + 1)
    output = output.replace('href="leaderboard:', f'href="{up}')
    if page.file.src_uri.endswith(".ipynb"):
        output = re.sub(r'href="(\.\./[\w/-]+)\.md"', r'href="\1.html"', output)
        output = re.sub(r'<script type="module">(?:(?!</script>).)*mermaid.*?</script>', "", output, flags=re.DOTALL)
    return output


def on_nav(nav: Navigation, config: MkDocsConfig, files: Files) -> None:
    config.extra["pages"] = nav.pages


def on_post_build(config: MkDocsConfig) -> None:
    """Write ``llms.txt``; a page of which nothing says what it is about is an error. ``404.html``, whose links hold at
    the root of a host alone, is left out."""
    (Path(config.site_dir) / "404.html").unlink()
    specs = (DOCS / "specs" / "README.md").read_text(encoding="utf-8")
    described = re.findall(r"^\| \[(.+?)\]\(.+?\) \| (.+) \|$", specs, re.MULTILINE)
    about = ABOUT | {f"specs/{name}": text for name, text in described}
    lines = [(DOCS / "llms.txt").read_text(encoding="utf-8").rstrip()]
    sections: list[str] = []
    for page in config.extra["pages"]:
        section = " · ".join(above.title for above in reversed(page.ancestors))
        if [section] != sections[-1:]:
            sections.append(section)
            lines += ["", f"## {section}", ""]
        text = page.meta.get("description") or about[page.file.src_uri]
        lines.append(f"- [{page.title}]({page.file.dest_uri}): {text}")
    (Path(config.site_dir) / "llms.txt").write_text("\n".join([*lines, ""]), encoding="utf-8")
