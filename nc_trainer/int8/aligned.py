"""Tensors where torch itself would put them: its kernels round otherwise where memory is not aligned.

What is read from a file stands wherever it stands in the file. A model computes the same bits before it is saved and
after it is loaded only if its weights are aligned both times.
"""

from torch import nn

ALIGNMENT = 64
"""Bytes, of torch's allocator on CPUs."""


def align_tensors(model: nn.Module) -> None:
    """Copy every parameter and buffer that is not aligned; they stay the same objects."""
    for tensor in (*model.parameters(), *model.buffers()):
        if tensor.device.type == "cpu" and tensor.data_ptr() % ALIGNMENT:
            tensor.data = tensor.data.clone()
