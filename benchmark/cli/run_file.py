"""The options of a command in a YAML file, ``--config run.yaml``, and such a file of a run that was made."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from talkbench.benchmark.cli.options import EXISTING, TYPED, settings
from talkbench.core.errors import TalkbenchError

if TYPE_CHECKING:
    from talkbench.results import RunRecord

CONFIG = click.option(
    "--config", type=EXISTING, expose_value=False,
    help="YAML file with options of this command, by their names without the dashes, e.g. dataset: demo, metrics: [l1, "
    "psnr], set: {noise: random}, resume: true. Options on the command line win. bench show RUN --as-config makes one.",
)  # fmt: skip

NOT_IN_FILES = {"config", "json", "help"}
NOT_AGAIN = {*NOT_IN_FILES, "out", "shard", "resume", "wait", "quiet", "verbose", "log-level"}
"""What is not taken from a run into the file that repeats it."""


class FileCommand(click.Command):
    """A command with the option `CONFIG`. What the file says stands before what is typed, of which the last counts."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        typed = self.make_parser(ctx).parse_args(list(args))[0]
        path = typed.get("config")
        if path is None or not Path(path).is_file():  # which is said below
            return super().parse_args(ctx, args)
        words = list(_words(self, Path(path)))
        ctx.meta[TYPED] = [str(ctx.info_name), *words, *_without_config(args)]
        try:
            return super().parse_args(ctx, [*words, *args])
        except click.BadParameter as error:
            if error.param is None or error.param.name in typed or isinstance(error, click.MissingParameter):
                raise
            raise click.BadParameter(f"{error.message.rstrip('.')} (in {path})", error.ctx, error.param) from error


def _words(command: click.Command, path: Path) -> Iterator[str]:
    """The options in a file, as one types them."""
    from talkbench.core.registry import nearest
    from talkbench.core.yaml_files import read_yaml

    content = read_yaml(path)
    if not isinstance(content, dict):
        raise TalkbenchError(f"{path} holds no options; write one on each line, such as dataset: demo")
    options = _options(command)
    for key, value in content.items():
        option = options.get(str(key).replace("_", "-"))
        if option is None:
            raise TalkbenchError(f"{path}: there is no option {key!r}; {nearest(str(key), options)}")
        if value is not None:
            yield from _typed(f"--{key}".replace("_", "-"), option, value, f"{path}: {key}")


def _options(command: click.Command) -> dict[str, click.Option]:
    """The options that a file may have, by their names there."""
    options = [option for option in command.params if isinstance(option, click.Option)]
    named = {max(option.opts, key=len).removeprefix("--"): option for option in options}
    return {name: option for name, option in named.items() if name not in NOT_IN_FILES}


def _typed(flag: str, option: click.Option, value: object, where: str) -> Iterator[str]:
    if option.is_flag:
        if not isinstance(value, bool):
            raise TalkbenchError(f"{where} is {value!r}; write true or false")
        yield from [flag] if value else []
    elif option.multiple and isinstance(value, dict):
        yield from (f"{flag}={name}={_yaml(item)}" for name, item in value.items())
    elif option.multiple and isinstance(value, list):
        yield from (f"{flag}={item}" for item in value)
    elif isinstance(value, dict):
        raise TalkbenchError(f"{where} takes one value or a list, not names with values")
    else:
        items = value if isinstance(value, list) else [value]
        yield f"{flag}={','.join(map(_text, items))}"


def _text(value: object) -> str:
    return {True: "on", False: "off"}[value] if isinstance(value, bool) else str(value)  # YAML takes off for false


def _yaml(value: object) -> str:
    """A value on one line of YAML."""
    import yaml

    return yaml.safe_dump(value, default_flow_style=True, width=10**6).removesuffix("...\n").strip()


def _without_config(args: Sequence[str]) -> Iterator[str]:
    words = iter(args)
    for word in words:
        if word == "--config":
            next(words, None)
        elif not word.startswith("--config="):
            yield word


def config_of(record: RunRecord, command: click.Command) -> str:
    """The file by which `command`, ``bench run``, makes a run once more, in a folder of its own: the options that it
    was made with, and the choices of the record in place of what was left open then.

    Raises:
        TalkbenchError: the run was not made on the command line.
    """
    start = f"bench {command.name} "
    if not record.command.startswith(start):
        raise TalkbenchError(f"{record.run_id} was not made by {start.strip()}, so that its record has no options")
    options = _options(command)
    context = click.Context(command, info_name=command.name)
    values = command.make_parser(context).parse_args(shlex.split(record.command.removeprefix(start)))[0]
    chosen = {name: values[str(option.name)] for name, option in options.items() if option.name in values}
    if "set" in chosen:
        chosen["set"] = settings(context, options["set"], tuple(chosen["set"]))
    chosen |= {"dataset": record.dataset.name, "task": record.dataset.task, "motion": record.dataset.motion}
    if record.method.frames is None:
        chosen["method"] = record.method.name
    if record.protocol:
        chosen.setdefault("protocol", record.protocol.name)
    kept: Iterable[str] = (name for name in options if name in chosen and name not in NOT_AGAIN)
    return _document({name: chosen[name] for name in kept})


def _document(options: Mapping[str, Any]) -> str:
    import yaml

    return yaml.safe_dump(dict(options), sort_keys=False, allow_unicode=True, width=10**6)
