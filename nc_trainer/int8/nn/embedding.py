"""`nn.Embedding` with int8 rows."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nc_trainer.int8.nn.int8_module import Int8Module
from nc_trainer.int8.ops import dequantize_rows, quantize_rows


class Int8Embedding(Int8Module):
    """Weight only: int8 rows, each with its scale; the rows that are looked up become float.

    Buffers: `qweight` [entries, dim] int8 and `scale` [entries] fp32. `float_dtype` is what it returns.
    """

    qweight: Tensor
    scale: Tensor

    def __init__(self, num_embeddings: int, embedding_dim: int, padding_idx: int | None = None) -> None:
        super().__init__()
        self.num_embeddings, self.embedding_dim = num_embeddings, embedding_dim
        self.padding_idx = padding_idx  # unused here, but models look at it
        self.float_dtype = torch.float32
        self.register_buffer("qweight", torch.zeros(num_embeddings, embedding_dim, dtype=torch.int8))
        self.register_buffer("scale", torch.zeros(num_embeddings, dtype=torch.float32))

    @classmethod
    def empty_like(cls, embedding: nn.Embedding) -> "Int8Embedding":
        """The int8 module of the same shape, to be filled from a checkpoint."""
        return cls(embedding.num_embeddings, embedding.embedding_dim, embedding.padding_idx)

    @classmethod
    def from_float(cls, embedding: nn.Embedding) -> "Int8Embedding":
        """Quantize a float module of any float dtype. The float module is left as it is."""
        module = cls.empty_like(embedding)
        with torch.no_grad():
            module.qweight, module.scale = quantize_rows(embedding.weight.detach())
        return module.train(embedding.training)

    @property
    def weight(self) -> Tensor:
        """The fp32 rows that the codes stand for, [entries, dim]: a copy, see `Int8Module`."""
        return dequantize_rows(self.qweight, self.scale)

    def forward(self, ids: Tensor) -> Tensor:
        """Integer ids [...] to vectors [..., dim]."""
        self.refuse_training()
        codes = F.embedding(ids, self.qweight)
        return (codes.float() * F.embedding(ids, self.scale.unsqueeze(1))).to(self.float_dtype)

    def extra_repr(self) -> str:
        """Shown by `print(model)`."""
        return f"{self.num_embeddings}, {self.embedding_dim}"
