"""A YAML file becomes a TuningConfig; whatever is wrong with the file is one ConfigError that names it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import yaml

from nc_trainer.config.schema import TuningConfig
from nc_trainer.errors import ConfigError

MINIMAL_EXAMPLE = """\
tuning:
  accuracy_criterion:
    relative: 0.01
"""


def load_tuning_config(path: str | os.PathLike[str]) -> TuningConfig:
    """Read the YAML file at `path` (UTF-8). The file is never written.

    Raises:
        ConfigError: starting with the file's name, then the dotted key or the line, what was found and
            what was expected.
    """
    try:
        return TuningConfig.from_dict(_parse(_read_text(Path(path))))
    except ConfigError as error:
        raise ConfigError(f"{os.fspath(path)}: {error}") from error.__cause__


def _read_text(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8")
    except FileNotFoundError as error:
        raise ConfigError(f"no such file (looked from {Path.cwd()}). Expected a YAML file.") from error
    except IsADirectoryError as error:
        raise ConfigError("this is a directory, expected a YAML file.") from error
    except UnicodeDecodeError as error:
        found = error.object[error.start]
        raise ConfigError(
            f"not UTF-8 text (byte 0x{found:02x} at offset {error.start}). Save the file as UTF-8."
        ) from error
    except (OSError, ValueError) as error:
        raise ConfigError(f"cannot be read: {error}") from error


def _parse(text: str) -> Any:
    try:
        content = yaml.load(text, Loader=_StrictLoader)
    except yaml.MarkedYAMLError as error:
        raise ConfigError(f"not valid YAML: {_marked_problem(error, text)}") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"not valid YAML: {' '.join(str(error).split())}.") from error
    except Exception as error:  # PyYAML lets out KeyError for `!!bool x`, ValueError for 2001-99-99 and more
        raise ConfigError(f"not valid YAML: a value cannot be read ({error!r}).") from error
    if content is None:
        raise ConfigError(f"the file is empty. A minimal example:\n\n{MINIMAL_EXAMPLE}")
    return content


def _marked_problem(error: yaml.MarkedYAMLError, text: str) -> str:
    mark = error.problem_mark or error.context_mark
    if mark is None:
        return str(error)
    lines = text.splitlines()
    line = lines[mark.line] if mark.line < len(lines) else ""
    indent = line[: len(line) - len(line.lstrip())]
    advice = ". Indent with spaces, not tabs" if "\t" in indent else ""
    problem = ", ".join(part for part in (error.context, error.problem) if part)
    return f"line {mark.line + 1}, column {mark.column + 1}: {problem}{advice}."


class _StrictLoader(yaml.SafeLoader):
    """A SafeLoader that refuses a key given twice, where YAML says it must and PyYAML keeps the last."""

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        node: yaml.MappingNode = super().compose_mapping_node(anchor)
        first: dict[tuple[str, str], yaml.Mark] = {}
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                continue
            identity = (key.tag, key.value)
            if identity in first:
                problem = f"the key '{key.value}' was already given on line {first[identity].line + 1}"
                raise yaml.composer.ComposerError(None, None, problem, key.start_mark)
            first[identity] = key.start_mark
        return node
