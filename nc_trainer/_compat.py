"""Everything that differs between transformers 4.57 and 5, in one place."""

from transformers import PreTrainedModel


def tied_keys(model: PreTrainedModel) -> set[str]:
    """Keys of the state dict that may be absent from a checkpoint because they share another key's tensor."""
    return set(getattr(model, "all_tied_weights_keys", None) or ())
