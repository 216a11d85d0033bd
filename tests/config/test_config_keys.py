"""Which keys are known, and what is said about the others."""

from collections.abc import Iterator
from dataclasses import fields
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nc_trainer.config import TuningConfig
from nc_trainer.config.section import Section, dotted, section_of
from nc_trainer.config.unsupported_keys import UNSUPPORTED_KEYS, UNSUPPORTED_VALUES
from nc_trainer.errors import ConfigError


def sections(kind: type[Section] = TuningConfig, path: str = "") -> Iterator[tuple[str, type[Section]]]:
    yield path, kind
    for item in fields(kind):
        inner = section_of(item)
        if inner is not None:
            yield from sections(inner, dotted(path, item.name))


SECTIONS = list(sections())
SETTINGS = [dotted(path, item.name) for path, kind in SECTIONS for item in fields(kind) if section_of(item) is None]


def nested(path: str, value: Any) -> Any:
    """`value` inside one mapping per part of the dotted `path`."""
    for part in reversed(path.split(".") if path else []):
        value = {part: value}
    return value


def refusal(tree: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        TuningConfig.from_dict(tree)
    return str(caught.value)


@pytest.mark.parametrize(("path", "kind"), SECTIONS, ids=[path or "top" for path, _ in SECTIONS])
def test_each_section_knows_its_place(path: str, kind: type[Section]) -> None:
    assert kind.place == path


@pytest.mark.parametrize(("path", "kind"), SECTIONS, ids=[path or "top" for path, _ in SECTIONS])
def test_each_field_has_help(path: str, kind: type[Section]) -> None:
    assert all(item.metadata["help"].endswith(".") for item in fields(kind))


@pytest.mark.parametrize(("path", "kind"), SECTIONS[1:], ids=[path for path, _ in SECTIONS[1:]])
@pytest.mark.parametrize("content", ["basic", 3, ["a"], True], ids=repr)
def test_a_section_must_be_a_mapping(path: str, kind: type[Section], content: Any) -> None:
    message = refusal(nested(path, content))
    assert message.startswith(f"`{path}`: found ")
    assert "expected a mapping whose keys may be: " in message


def test_the_whole_must_be_a_mapping() -> None:
    assert refusal([1]).startswith("the configuration: found a list, expected a mapping")
    assert refusal(None).startswith("the configuration: found nothing, expected a mapping")


def test_an_unknown_key_comes_with_the_nearest_key_and_all_keys_allowed_there() -> None:
    assert refusal(nested("tuning.accuracy_criterion", {"relativ": 0.01})) == (
        "`tuning.accuracy_criterion.relativ`: unknown key. Did you mean `relative`? "
        "Keys allowed under `tuning.accuracy_criterion`: "
        "absolute, agreement, higher_is_better, multi_metrics, per_label, relative."
    )


def test_an_unknown_key_like_no_other_comes_without_a_guess() -> None:
    assert refusal({"zzz": 1}) == (
        "`zzz`: unknown key. Keys allowed at the top level: device, evaluation, model, quantization, tuning, version."
    )


@pytest.mark.parametrize(
    ("tree", "home"),
    [
        ({"tuning": {"timeout": 3}}, "`timeout` belongs under `tuning.exit_policy`"),
        ({"accuracy_criterion": {"relative": 0.01}}, "`accuracy_criterion` belongs under `tuning`"),
        ({"tuning": {"device": "cpu"}}, "`device` belongs under `the top level`"),
        ({"name": "x"}, "`name` belongs under `model` or `tuning.strategy`"),
    ],
    ids=["too-high", "not-indented", "too-deep", "two-homes"],
)
def test_a_misplaced_key_is_told_where_it_belongs(tree: dict[str, Any], home: str) -> None:
    assert f"unknown key. {home}: check the indentation." in refusal(tree)


@pytest.mark.parametrize("key", [1, True, None, ("a", "b")], ids=repr)
def test_a_key_that_is_not_a_text_is_unknown(key: Any) -> None:
    assert "unknown key" in refusal({"tuning": {key: 1}})


@pytest.mark.parametrize("path", sorted(UNSUPPORTED_KEYS))
@pytest.mark.parametrize("value", [None, {}, True, "x"], ids=repr)
def test_a_key_of_the_original_is_not_called_unknown(path: str, value: Any) -> None:
    message = refusal(nested(path, value))
    assert message.startswith(f"`{path}`: known from Neural Compressor, not supported yet. Remove the key.")


@pytest.mark.parametrize(
    ("path", "value"),
    [(path, value) for path, (values, _) in UNSUPPORTED_VALUES.items() for value in values],
    ids=str,
)
def test_a_value_of_the_original_is_refused_with_what_works(path: str, value: str) -> None:
    message = refusal(nested(path, value))
    assert message.startswith(f"`{path}`: {value!r} is known from Neural Compressor, not supported yet. Use '")


def test_what_is_refused_as_unsupported_is_not_also_supported() -> None:
    names = {dotted(path, item.name) for path, kind in SECTIONS for item in fields(kind)}
    assert not names & set(UNSUPPORTED_KEYS)
    assert set(UNSUPPORTED_VALUES) <= set(SETTINGS)


@given(place=st.sampled_from(SECTIONS), key=st.text(), value=st.none() | st.integers() | st.text())
def test_any_unknown_key_at_any_level_is_refused_by_its_dotted_path(
    place: tuple[str, type[Section]], key: str, value: Any
) -> None:
    path, kind = place
    if key in {item.name for item in fields(kind)}:
        return
    assert refusal(nested(path, {key: value})).startswith(f"`{dotted(path, key)}`: ")


def config_or_message(tree: Any) -> TuningConfig | str:
    try:
        return TuningConfig.from_dict(tree)
    except ConfigError as error:
        return str(error)


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary() | st.dates(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text() | st.integers(), inner, max_size=3),
    max_leaves=5,
)


@given(path=st.sampled_from(SETTINGS), value=anything)
def test_any_value_of_any_setting_is_accepted_or_refused_by_its_dotted_path(path: str, value: Any) -> None:
    outcome = config_or_message(nested(path, value))
    if isinstance(outcome, str):
        assert outcome.startswith((f"`{path}`: ", f"`{path}."))
    else:
        assert TuningConfig.from_dict(outcome.to_dict()) == outcome
