"""300 rows of two classes, and predictions of which a stated number changed for the better and for the worse."""

import numpy as np

ROWS = 300
LABELS = np.arange(ROWS) % 2


def predictions(better: int, worse: int, wrong: int) -> np.ndarray:
    """Class ids; of the float model the last `wrong` rows are wrong."""
    classes = np.where(np.arange(ROWS) < ROWS - wrong, LABELS, 1 - LABELS)
    classes[:worse] = 1 - classes[:worse]
    classes[ROWS - better :] = 1 - classes[ROWS - better :]
    return classes
