"""YAML files: those of the original load as they are; every broken one gets one clear error."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nc_trainer.config import AccuracyCriterion, TuningConfig, load_tuning_config
from nc_trainer.config.yaml_file import MINIMAL_EXAMPLE
from nc_trainer.errors import ConfigError

README_YAML = """\
model:
  name: bert
  framework: pytorch

device: cpu

quantization:
  approach: post_training_dynamic_quant

tuning:
  accuracy_criterion:
    relative: 0.01
  exit_policy:
    timeout: 0
    max_trials: 300
  random_seed: 9527
"""

CONF_YAML_1_14 = """\
version: 1.0

model:                       # mandatory
  name: distilbert
  framework: pytorch

quantization:
  approach: post_training_dynamic_quant

tuning:
  accuracy_criterion:
    relative:  0.01
  exit_policy:
    timeout: 0
    max_trials: 600
  random_seed: 9527
"""


def write(folder: Path, content: str | bytes) -> Path:
    path = folder / "conf.yaml"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def refusal(path: Path) -> str:
    """The message without the file's name, which it must start with."""
    with pytest.raises(ConfigError) as caught:
        load_tuning_config(path)
    name, colon, message = str(caught.value).partition(f"{path}: ")
    assert (name, colon) == ("", f"{path}: ")
    return message


@pytest.mark.parametrize(
    ("text", "name", "max_trials"),
    [(README_YAML, "bert", 300), (CONF_YAML_1_14, "distilbert", 600)],
    ids=["readme", "conf-1.14"],
)
def test_the_files_of_the_original_load_as_they_are(tmp_path: Path, text: str, name: str, max_trials: int) -> None:
    path = write(tmp_path, text)
    config = load_tuning_config(path)
    expected = TuningConfig().to_dict()
    expected["model"]["name"] = name
    expected["tuning"]["exit_policy"]["max_trials"] = max_trials
    expected["tuning"]["random_seed"] = 9527
    assert config.to_dict() == expected
    assert path.read_text() == text


def test_the_path_may_be_a_text(tmp_path: Path) -> None:
    assert load_tuning_config(str(write(tmp_path, README_YAML))).model.name == "bert"


def test_the_strategy_is_written_as_in_the_original(tmp_path: Path) -> None:
    path = write(tmp_path, "tuning:\n  strategy:\n    name: basic\n")
    assert load_tuning_config(path).tuning.strategy.name == "basic"


def test_a_byte_order_mark_is_ignored(tmp_path: Path) -> None:
    assert load_tuning_config(write(tmp_path, README_YAML.encode("utf-8-sig"))).model.name == "bert"


def test_the_minimal_example_loads(tmp_path: Path) -> None:
    assert load_tuning_config(write(tmp_path, MINIMAL_EXAMPLE)) == TuningConfig()


@pytest.mark.parametrize("text", ["", "\n\n", "# nothing yet\n", "---\n", "null\n"], ids=repr)
def test_an_empty_file_is_answered_with_an_example(tmp_path: Path, text: str) -> None:
    message = refusal(write(tmp_path, text))
    assert message.startswith("the file is empty.")
    assert MINIMAL_EXAMPLE in message


def test_an_error_in_a_key_names_the_file_and_the_key(tmp_path: Path) -> None:
    message = refusal(write(tmp_path, "tuning:\n  accuracy_criterion:\n    relativ: 0.01\n"))
    assert message.startswith("`tuning.accuracy_criterion.relativ`: unknown key. Did you mean `relative`?")


def test_a_list_is_not_a_configuration(tmp_path: Path) -> None:
    assert refusal(write(tmp_path, "- model\n")).startswith("the configuration: found a list")


@pytest.mark.parametrize(
    ("text", "line", "column"),
    [
        ("device: cpu\nmodel:\n  name: a\ndevice: cpu\n", 4, 1),
        ("device: cpu\n'device': cpu\n", 2, 1),
        ("model: {name: a, name: b}\n", 1, 18),
    ],
    ids=["top", "quoted", "same-line"],
)
def test_a_key_given_twice_is_refused(tmp_path: Path, text: str, line: int, column: int) -> None:
    message = refusal(write(tmp_path, text))
    assert message.startswith(f"not valid YAML: line {line}, column {column}: the key ")
    assert message.endswith("was already given on line 1.")


def test_a_merged_key_may_be_overridden(tmp_path: Path) -> None:
    text = "quantization:\n  calibration: {<<: &base {sampling_size: 8}, sampling_size: 9}\n"
    assert load_tuning_config(write(tmp_path, text)).quantization.calibration.sampling_size == 9


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("tuning: [\n", 2),
        ("tuning:\n   random_seed: 1\n  metric: f1\n", 3),
        ("device: cpu\n--- \ndevice: cpu\n", 2),
        ("device: *nowhere\n", 1),
        ("device: !!python/name:os.system\n", 1),
        ("device: cpu\n? [a]\n: 1\n", 2),
    ],
    ids=["open-bracket", "indentation", "two-documents", "alias", "python-tag", "list-as-key"],
)
def test_what_is_not_yaml_is_reported_with_its_line(tmp_path: Path, text: str, line: int) -> None:
    assert refusal(write(tmp_path, text)).startswith(f"not valid YAML: line {line}, column ")


def test_a_tab_is_named(tmp_path: Path) -> None:
    message = refusal(write(tmp_path, "tuning:\n\trandom_seed: 1\n"))
    assert message.startswith("not valid YAML: line 2, column 1: ")
    assert message.endswith("Indent with spaces, not tabs.")


@pytest.mark.parametrize(
    "text",
    ["a: !!bool maybe", "a: !!int ''", "a: 2001-99-99", "[" * 1500, "a: " + "1" * 5000, "a: \x00"],
    ids=["bool-tag", "int-tag", "date", "deep", "digits", "control-character"],
)
def test_what_yaml_itself_stumbles_over_is_a_config_error(tmp_path: Path, text: str) -> None:
    assert refusal(write(tmp_path, text))


def test_a_file_in_another_encoding_is_refused(tmp_path: Path) -> None:
    message = refusal(write(tmp_path, "model: {name: é}".encode("latin-1")))
    assert message == "not UTF-8 text (byte 0xe9 at offset 14). Save the file as UTF-8."


def test_a_missing_file_and_a_directory_are_refused(tmp_path: Path) -> None:
    assert refusal(tmp_path / "no.yaml").startswith("no such file")
    assert refusal(tmp_path) == "this is a directory, expected a YAML file."


def test_a_percentage_is_read_from_yaml(tmp_path: Path) -> None:
    config = load_tuning_config(write(tmp_path, "tuning: {accuracy_criterion: {absolute: 2%}}\n"))
    assert config.tuning.accuracy_criterion == AccuracyCriterion(absolute=0.02)


YAML_TOKENS = [
    "\n",
    "  ",
    "\t",
    ": ",
    "- ",
    "? ",
    "{",
    "}",
    "[",
    "]",
    "&a",
    "*a",
    "<<",
    "!!int ",
    "'",
    "|",
    "~",
]
KEYS_AND_VALUES = ["tuning", "device", "cpu", "version", "metric", "1", "%"]


def message_of(path: Path) -> str | None:
    try:
        load_tuning_config(path)
    except ConfigError as error:
        return str(error)
    return None


@given(st.binary(max_size=60) | st.lists(st.sampled_from(YAML_TOKENS + KEYS_AND_VALUES), max_size=15).map("".join))
def test_any_file_loads_or_is_refused_by_name(tmp_path_factory: pytest.TempPathFactory, content: str | bytes) -> None:
    path = write(tmp_path_factory.getbasetemp(), content)
    message = message_of(path)
    assert message is None or message.startswith(f"{path}: ")
