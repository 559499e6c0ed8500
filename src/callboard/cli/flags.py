"""Switches with a value, as kubectl takes them: `--wait=false`, `--watch=true`, `-A=true`. Pure: words in, words out.

Source: spf13/pflag bool.go (a switch takes a value only behind an equals sign) and Go's strconv.ParseBool.
"""

from __future__ import annotations

from collections.abc import Sequence

import click

_TRUE = ("1", "t", "T", "TRUE", "true", "True")
_FALSE = ("0", "f", "F", "FALSE", "false", "False")


def with_plain_flags(command: click.Command, words: Sequence[str]) -> list[str]:
    """The words of a command with every `--switch=true` written as `--switch`, and `--switch=false` as its opposite, or left away where
    that is the default. What comes behind `--` is left as it is, and so is what belongs to options that take values.

    Raises:
        click.UsageError: the value is no truth value.
    """
    plain: list[str] = []
    switches = _switches(command)
    for at, word in enumerate(words):
        if word == "--":
            return [*plain, *words[at:]]
        head, equals, value = word.partition("=")
        option = switches.get(head) if equals else None
        if option is not None:
            plain.extend(_written(option, head, value))
            continue
        plain.append(word)
        if isinstance(command, click.Group) and not word.startswith("-"):
            below = command.get_command(click.Context(command), word)
            return [*plain, *(with_plain_flags(below, words[at + 1 :]) if below is not None else words[at + 1 :])]
    return plain


def _switches(command: click.Command) -> dict[str, click.Option]:
    options = [one for one in command.params if isinstance(one, click.Option) and one.is_flag]
    return {name: one for one in options for name in one.opts}


def _written(option: click.Option, head: str, value: str) -> list[str]:
    if value in _TRUE:
        return [head]
    if value in _FALSE:
        return option.secondary_opts[:1]
    raise click.UsageError(f'invalid argument "{value}" for "{head}": a switch is true or false')
