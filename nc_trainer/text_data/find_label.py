"""Which column of a user's file holds the labels, where nobody says."""

from collections.abc import Collection

from nc_trainer.errors import NCTrainerError
from nc_trainer.text_data.csv_and_json import Rows
from nc_trainer.text_data.label_values import LABEL

USUAL = ("label", "labels", "target", "class", "category", "sentiment", "intent", "score", "rating", "gold")


def label_column_of(
    source: str, rows: Rows, model_labels: Collection[str] = (), not_labels: Collection[str] = ()
) -> str:
    """The column `label`, the only one of a usual name, or the only one that holds nothing but the model's labels.

    Args:
        source: of the rows, for the message.
        rows: not empty.
        model_labels: names of the model's labels; their ids count as well.
        not_labels: columns that are known to hold something else.

    Raises:
        NCTrainerError: that is not clear.
    """
    columns = [column for column in rows[0] if column not in not_labels]
    if LABEL in columns:
        return LABEL
    usual = [column for column in columns if column.strip().lower() in USUAL]
    if len(usual) == 1:
        return usual[0]
    known = {name.lower() for name in model_labels} | {str(number) for number in range(len(model_labels))}
    fitting = [column for column in usual or columns if _holds_only(known, column, rows)]
    if len(fitting) == 1 and fitting[0].strip().lower() in known:
        raise NCTrainerError(
            f"{source}: the first line looks like a row, because {fitting[0]!r} is a label: put the names of the "
            "columns before it, such as `sentence,label`."
        )
    if len(fitting) == 1:
        return fitting[0]
    raise NCTrainerError(
        f"{source}: which column holds the labels? Say it with --label_column_name; there are {', '.join(columns)}."
    )


def _holds_only(known: Collection[str], column: str, rows: Rows) -> bool:
    return all(str(row.get(column)).strip().lower() in known for row in rows)
