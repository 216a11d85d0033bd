"""What became of each label between two evaluations of the same rows."""

from nc_trainer.search.label_kinds import are_label_sets
from nc_trainer.search.statistics.label_recall import LabelRecall, label_recalls, set_recalls
from nc_trainer.search.trial import Evaluation, first_array, predicted_classes


def recalls_between(before: Evaluation, after: Evaluation) -> tuple[LabelRecall, ...] | None:
    """The recall of every label that occurs, in the order of their ids; None where rows have no classes.

    Args:
        before: of the float model; its labels are those of both.
        after: of the int8 model.
    """
    labels, first = before.labels, first_array(before.predictions)
    float_classes = predicted_classes(before.predictions, labels)
    int8_classes = predicted_classes(after.predictions, labels)
    if first is not None and are_label_sets(labels, first):
        return set_recalls(float_classes, int8_classes, labels)
    return label_recalls(float_classes, int8_classes, labels)
