"""Words of a command line, rewritten into the form that jsonargparse accepts."""

from __future__ import annotations

from collections.abc import Sequence

from recspark.config.fields import list_settings

CONFIG_SUFFIXES = (".yaml", ".yml")


def normalise(argv: Sequence[str], section: type) -> list[str]:
    """Return argv with flags and lists as YAML values, and the --config files first.

    A flag takes nothing, `true` or `false`. A list takes `als,bias`, `als bias` or `[als, bias]`.
    The files go first because jsonargparse lets the later word win, and the command line must win
    over the files, wherever they stand on it.

    Args:
        argv: Words of the command line.
        section: The dataclass of the settings.
    """
    settings = list_settings(section)
    words: list[str] = []
    files: list[str] = []
    left = list(argv)
    while left:
        word = left.pop(0)
        name, equals, value = word.partition("=")
        setting = settings.get(name.removeprefix("--")) if name.startswith("--") else None
        if name == "--config":
            files += [word] if equals or not left else [word, left.pop(0)]
            continue
        if setting is None or not (setting.is_flag or setting.is_list):
            words.append(word)
            if setting is not None and not equals and left:
                words.append(left.pop(0))  # its value, whatever it looks like
            continue
        values = [value] if equals else _take_values(left, 1 if setting.is_flag else len(left))
        if setting.is_flag:
            words.append(f"{name}={(values or ['true'])[0]}")
        elif values:
            text = ", ".join(value.strip().rstrip(",") for value in values)
            words.append(f"{name}={text}" if text.startswith("[") else f"{name}=[{text}]")
        else:
            words.append(name)
    return [*files, *words]


def has_option(argv: Sequence[str], name: str) -> bool:
    """Return whether an option such as `--models` is among the words."""
    return any(word == name or word.startswith(f"{name}=") for word in argv)


def is_config_file(word: str) -> bool:
    """Return whether a word looks like the name of a config file."""
    return word.endswith(CONFIG_SUFFIXES)


def _take_values(left: list[str], limit: int) -> list[str]:
    """Take words off the front up to the next option or config file, and return them."""
    taken: list[str] = []
    while left and len(taken) < limit and not (left[0].startswith("-") or is_config_file(left[0])):
        taken.append(left.pop(0))
    return taken
