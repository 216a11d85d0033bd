"""docs/families.md, which says what the walk over every class finds, with a part for each line of transformers.

`python -m helpers.families.page docs/families.md` in `tests/` walks, writes the part of the installed transformers,
and fails where something else is found than `known.py` says.
"""

import re
import sys
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import torch
from helpers.families.classes import TASKS, Classifier, classifiers
from helpers.families.known import LINE, known_faults, surprises
from helpers.families.visit import Finding
from helpers.families.walk import walk

HEADING = f"## transformers {LINE}\n"
IN_SHORT = {
    "that could skip padding": "computes padding in some layers",
    "activations to fuse": "some activations are not fused",
    "groups of layers with one input": "some layers with one input are computed one by one",
    "The rest computes in float32": "the rest is in float32",
    "The head computes in bfloat16": "the head is in bfloat16",
    "Attention in our kernels": "attention is the model's own",
    "the model reads": "layers whose weight the model reads itself are in float",
    "Experts that are one": "experts are in float",
}
"""What notes say, without numbers that change with every release."""


def part(findings: Sequence[Finding]) -> str:
    """What was found on the installed transformers, in Markdown."""
    tried = [each for each in findings if not each.lacks]
    good = [each for each in tried if not each.faults]
    lines = [f"{len(good)} of {len(findings)} classes pass.", "", "| family | tasks | remarks |", "|---|---|---|"]
    lines += _by_family(good)
    lines += ["", "These do not:", "", "| class | why |", "|---|---|"]
    lines += [f"| {each.classifier.name} | {_why(each)} |" for each in tried if each.faults]
    lines += ["", "These need a package that is not installed here:", "", "| class | package |", "|---|---|"]
    lines += [f"| {each.classifier.name} | {each.lacks} |" for each in findings if each.lacks]
    return "\n".join(lines)


def part_of(page: str) -> str:
    """The same part, as it stands in the page."""
    return page.partition(HEADING)[2].partition("\n## ")[0].strip()


def with_part(page: str, text: str) -> str:
    """The page with this part in place of what it has."""
    before, heading, after = page.partition(HEADING)
    if not heading:
        return f"{page.rstrip()}\n\n{HEADING}\n{text}\n"
    return f"{before}{heading}\n{text}\n" + "".join(after.partition("\n## ")[1:])


def _by_family(findings: Sequence[Finding]) -> list[str]:
    families: dict[tuple[str, str], list[Classifier]] = defaultdict(list)
    for each in findings:
        families[each.classifier.family, _remarks(each.notes)].append(each.classifier)
    return [
        f"| {family} | {_tasks({each.task for each in classes})} | {remarks} |"
        for (family, remarks), classes in sorted(families.items())
    ]


def _tasks(tasks: set[str]) -> str:
    return ", ".join(re.sub("_classification", "", task.lower()).replace("_", " ") for task in TASKS if task in tasks)


def _remarks(notes: Sequence[str]) -> str:
    found = (short for note in notes for part, short in IN_SHORT.items() if part in note)
    return "; ".join(dict.fromkeys(found))


def _why(finding: Finding) -> str:
    known = known_faults(finding.classifier.name)
    reasons = [each.why for each in known if any(re.match(each.fault, fault) for fault in finding.faults)]
    return " ".join(dict.fromkeys(reasons)) or "; ".join(finding.faults).replace("|", "/")


if __name__ == "__main__":
    torch.set_num_threads(1)
    findings = walk(classifiers())
    path = Path(sys.argv[1])
    path.write_text(with_part(path.read_text(encoding="utf-8"), part(findings)), encoding="utf-8")
    other = [line for each in findings if not each.lacks for line in surprises(each.classifier.name, each.faults)]
    sys.exit("\n".join(other))
