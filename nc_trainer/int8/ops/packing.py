"""Weights in the order in which the native engine reads them; csrc/kernels.h has a picture.

16 outputs form a block, in which, for each four neighbouring k, the codes of the 16 outputs lie side by side. The
packed form takes as many bytes as the plain one, but for outputs padded to a multiple of 16 and k to one of 64.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

OUTPUTS, K = 16, 64
WORD = 4
PLUS_128 = -0x7F7F7F80  # 0x80808080 as an int32: flips the highest bit of four codes, which adds 128 to each


def pack(qweight: Tensor) -> Tensor:
    """[N, K] int8 codes as int32 [blocks, words, 16]: each element holds `code + 128` of four neighbouring k."""
    n, k = qweight.shape
    padded = F.pad(qweight, (0, -k % K, 0, -n % OUTPUTS)).contiguous()
    words = padded.flatten().view(torch.int32).view(padded.shape[0] // OUTPUTS, OUTPUTS, padded.shape[1] // WORD)
    return words.transpose(1, 2).contiguous().bitwise_xor_(PLUS_128)


def unpack(packed: Tensor, n: int, k: int) -> Tensor:
    """The [n, k] int8 codes that `pack` was given."""
    words = packed.transpose(1, 2).bitwise_xor(PLUS_128).contiguous()
    codes = words.view(torch.int8).reshape(words.shape[0] * OUTPUTS, words.shape[2] * WORD)
    return codes[:n, :k].contiguous()


def is_packed(qweight: Tensor) -> bool:
    """Whether a weight is in the packed form."""
    return qweight.dtype == torch.int32


def plain(qweight: Tensor, scale: Tensor, x: Tensor) -> Tensor:
    """The [N, K] codes of a weight in either form, for `scale` [N] and `x` [..., K]."""
    return unpack(qweight, scale.shape[0], x.shape[-1]) if is_packed(qweight) else qweight
