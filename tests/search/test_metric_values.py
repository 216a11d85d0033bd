"""A number is accepted in any dress, and nothing else is."""

from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import torch

from nc_trainer.search.metric_values import as_number, numbers_among

NUMBERS = [
    0.75,
    np.float16(0.75),
    np.float64(0.75),
    np.array(0.75),
    np.array([[0.75]]),
    torch.tensor(0.75),
    torch.tensor([0.75], dtype=torch.bfloat16),
    Decimal("0.75"),
    Fraction(3, 4),
]
OTHERS = {
    "the text '0.75'": "0.75",
    "None": None,
    "the dict {'macro': 0.75}": {"macro": 0.75},
    "the list [0.5, 1.0]": [0.5, 1.0],
    "the complex 1j": 1j,
    "an array of shape (2,)": np.zeros(2),
    "an array of shape (0,)": torch.zeros(0),
    "an array of shape ()": np.array("0.75"),
}


@pytest.mark.parametrize("value", NUMBERS, ids=lambda value: type(value).__name__)
def test_a_number(value: Any) -> None:
    assert as_number(value) == 0.75


@pytest.mark.parametrize("value", [True, np.bool_(True), np.int8(1), np.array(1, dtype="uint64"), torch.tensor(True)])
def test_whole_numbers_and_booleans(value: Any) -> None:
    assert as_number(value) == 1.0


@pytest.mark.parametrize("said", OTHERS)
def test_no_number_is_described(said: str) -> None:
    assert numbers_among({"accuracy": OTHERS[said], "f1": 0.5}) == ({"f1": 0.5}, {"accuracy": f"is {said}"})


def test_a_long_value_is_cut() -> None:
    _, others = numbers_among({"report": "x" * 1000})
    assert len(others["report"]) < 100
