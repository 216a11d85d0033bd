"""The classes that do not pass, and why. One that begins to pass is an error too, until its line is gone."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import transformers

LINE = int(transformers.__version__.partition(".")[0])


@dataclass(frozen=True)
class Known:
    """A kind of fault.

    Attributes:
        names: of the classes, a regular expression.
        fault: what the walk finds, a regular expression.
        why: the reason, for the page.
        lines: of transformers.
        always: false for what depends on a last bit, so that a class may also pass.
    """

    names: str
    fault: str
    why: str
    lines: Sequence[int] = (4, 5)
    always: bool = True


KNOWN = (
    Known(
        r"(Hubert|SEW|SEWD|UniSpeech|UniSpeechSat|Wav2Vec2|Wav2Vec2Conformer|WavLM)ForSequenceClassification",
        "while pickling: RuntimeError: Serialization of parametrized modules",
        "Its position embedding has a weight norm, and torch does not pickle parametrized modules, in float either. "
        "Saving and loading works.",
    ),
    Known(
        r"(Data2VecAudio|Wav2Vec2Bert)ForSequenceClassification",
        "while pickling: AttributeError: Can't pickle local object 'install_output_capuring_hook",
        "After its first call transformers keeps hooks in it that cannot be pickled, in float either. "
        "Saving and loading works.",
        lines=(5,),
    ),
    Known(
        r"Olmo[23]ForSequenceClassification",
        "int8 differs from float",
        "It normalizes what each layer adds: random layers, and their errors, count as much as the embedding.",
        lines=(5,),
    ),
    Known(
        r"(AXK1|AXK2|Deepseek|GptOss|HunYuanMoE|Jamba|JetMoe|MiniMax|Mistral4|Mixtral|Phimoe|Qwen\w*(Moe|Next))\w+",
        "int8 differs from float|a row's logits move",
        "Routing is a step: a token between two experts may take the other one.",
        always=False,
    ),
    Known(
        r"MegaFor\w+",
        "another answer after loading",
        "It keeps tensors that it computed while it was in float; it is not developed any more.",
        lines=(4,),
    ),
    Known(
        r"ShieldGemma2ForImageClassification",
        "while loading: CheckpointError",
        "transformers renames tensors of this class while loading, whatever names they were saved in.",
        lines=(4,),
    ),
    Known(
        r"ViTHybridForImageClassification",
        "AttributeError: 'NoneType' object has no attribute 'data'",
        "transformers cannot build it: it initializes a mask token that the class does not have.",
        lines=(4,),
    ),
)


def known_faults(name: str) -> list[Known]:
    """What is known of a class on the installed transformers."""
    return [known for known in KNOWN if LINE in known.lines and re.fullmatch(known.names, name)]


def surprises(name: str, faults: Sequence[str]) -> list[str]:
    """Faults that are not known, and those known that are gone."""
    known = known_faults(name)
    new = [fault for fault in faults if not any(re.match(each.fault, fault) for each in known)]
    gone = [each.fault for each in known if each.always and not any(re.match(each.fault, fault) for fault in faults)]
    return [f"{name}: {fault}" for fault in new] + [f"{name} has no more: {fault}" for fault in gone]
