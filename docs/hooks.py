"""What MkDocs does for the manual beside building its pages.

- Every command of ``bench`` has a page below ``commands/``, made from the command itself.
- Pages named in ``REPOSITORY`` are files of the repository's root, with their links turned to the pages of the manual.
- Links to ``leaderboard:PATH`` lead to the pages of ``bench leaderboard build``, in whose folder the manual stands.
- ``llms.txt`` lists every page with what it is about, for programs that read manuals.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path

import click
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.nav import Navigation
from mkdocs.structure.pages import Page

from talkbench.benchmark.cli.main import bench

ROOT = Path(__file__).parents[1]
REPOSITORY = {"contributing.md": "CONTRIBUTING.md", "changelog.md": "CHANGELOG.md", "licences.md": "NOTICE"}
PICTURES = {"contest.webp": "results/entries/contest.webp", "contest-still.webp": "results/entries/contest-still.webp"}
DESCRIPTION = re.compile(r"^---\ndescription: (.+)\n---$", re.MULTILINE)


def commands() -> dict[str, click.Command]:
    context = click.Context(bench)
    named = {name: bench.get_command(context, name) for name in bench.list_commands(context)}
    return {name: command for name, command in named.items() if command is not None}


def on_config(config: MkDocsConfig) -> None:
    """The pages of the commands follow the first one of their section."""
    for section in config.nav or []:
        for entries in section.values() if isinstance(section, dict) else []:
            if isinstance(entries, list) and "commands/index.md" in entries:
                entries += [f"commands/{name}.md" for name in commands()]


def on_files(files: Files, config: MkDocsConfig) -> None:
    for name, command in commands().items():
        about = (command.help or "").splitlines()[0]
        module = name.replace("-", "_")
        page = (
            f"---\ndescription: {about}\n---\n# bench {name}\n\n::: mkdocs-click\n"
            f"    :module: talkbench.benchmark.cli.{module}\n    :command: command\n    :prog_name: bench {name}\n"
            "    :depth: 1\n    :style: table\n    :remove_ascii_art: true\n"
        )
        files.append(File.generated(config, f"commands/{name}.md", content=page))
    for name, path in REPOSITORY.items():
        files.append(File.generated(config, name, content=_page_of(path)))
    for name, path in PICTURES.items():
        files.append(File.generated(config, name, abs_src_path=str(ROOT / path)))


def _page_of(path: str) -> str:
    """A file of the repository's root as a page: links to ``docs/`` are links to pages."""
    text = (ROOT / path).read_text(encoding="utf-8")
    if not path.endswith(".md"):
        return f"# {path}\n\n```text\n{text}```\n"
    return text.replace("](docs/", "](").replace("](NOTICE)", "](licences.md)")


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Links to files of the root lead to their pages."""
    for name, path in REPOSITORY.items():
        target = posixpath.relpath(name, posixpath.dirname(page.file.src_uri) or ".")
        markdown = re.sub(rf"\]\((?:\.\./)+{re.escape(path)}(?=[#)])", f"]({target}", markdown)
    return markdown


def on_post_page(output: str, page: Page, config: MkDocsConfig) -> str:
    up = "../" * (page.file.dest_uri.count("/") + 1)
    return output.replace('href="leaderboard:', f'href="{up}')


def on_nav(nav: Navigation, config: MkDocsConfig, files: Files) -> None:
    config.extra["pages"] = nav.pages


def on_post_build(config: MkDocsConfig) -> None:
    lines = [(Path(config.docs_dir) / "llms.txt").read_text(encoding="utf-8").rstrip(), ""]
    section = None
    for page in config.extra["pages"]:
        above = page.ancestors[-1].title if page.ancestors else "Start"
        if above != section:
            section = above
            lines += ["", f"## {section}", ""]
        about = page.meta.get("description")
        if not about:
            raise ValueError(f"{page.file.src_uri} has no description")
        lines.append(f"- [{page.title}]({page.file.dest_uri}): {about}")
    (Path(config.site_dir) / "llms.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
