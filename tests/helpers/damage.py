"""Seeded damage to the files of a model directory: of bytes, of JSON, of safetensors headers, and of whole files."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

CONFIG, INDEX = "config.json", "model.safetensors.index.json"
JSON_FILES = (CONFIG, INDEX)
REGIONS = (*JSON_FILES, "header length", "header", "data")
"""The parts of a directory that bytes are damaged in; the last three are those of a safetensors file."""

NESTED = "[" * 100_000 + "]" * 100_000
OTHERS: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 3, 7, 2**31, 2**63, 10**30, 0.5, -1e308, float("nan"), float("inf")),
    *("", "x", "12", "é\ud800", "../config.json", [], {}, [[]], {"x": 1}, [1, 2]),
)


def weights(random: Random, directory: Path) -> Path:
    return random.choice(sorted(directory.glob("*.safetensors")))


def place(random: Random, directory: Path, region: str) -> tuple[Path, int, int]:
    """A file, and where in it a region begins and ends."""
    if region in JSON_FILES:
        path = directory / region
        return path, 0, path.stat().st_size
    path = weights(random, directory)
    header = 8 + int.from_bytes(path.read_bytes()[:8], "little")
    ends = {"header length": (0, 8), "header": (8, header), "data": (header, path.stat().st_size)}
    return path, *ends[region]


def flip(random: Random, content: bytearray, at: int, size: int) -> None:
    content[at] ^= 1 << random.randrange(8)


def overwrite(random: Random, content: bytearray, at: int, size: int) -> None:
    content[at] = random.randrange(256)


def delete(random: Random, content: bytearray, at: int, size: int) -> None:
    del content[at : at + size]


def insert(random: Random, content: bytearray, at: int, size: int) -> None:
    content[at:at] = random.randbytes(size)


def repeat(random: Random, content: bytearray, at: int, size: int) -> None:
    content[at:at] = content[at : at + size]


def truncate(random: Random, content: bytearray, at: int, size: int) -> None:
    del content[at:]


def zero(random: Random, content: bytearray, at: int, size: int) -> None:
    content[at : at + size] = bytes(len(content[at : at + size]))


def other_digits(random: Random, content: bytearray, at: int, size: int) -> None:
    """The next digit in the file becomes another: what is left is well formed."""
    digit = next((i for i in range(at, len(content)) if chr(content[i]).isdecimal()), at)
    content[digit] = ord(random.choice("0123456789"))


BYTES = (flip, overwrite, delete, insert, repeat, truncate, zero, other_digits)


def damage_bytes(
    change: Callable[[Random, bytearray, int, int], None], region: str, random: Random, directory: Path
) -> None:
    path, start, end = place(random, directory, region)
    content = bytearray(path.read_bytes())
    change(random, content, random.randrange(start, end), random.choice([1, 2, 7, 64, 1000]))
    path.write_bytes(content)


def entries(content: Any) -> list[tuple[dict[str, Any], str]]:
    """Every key in JSON content, with the object that it stands in."""
    parts = content.values() if isinstance(content, dict) else content if isinstance(content, list) else []
    own = [(content, key) for key in content] if isinstance(content, dict) else []
    return own + [entry for part in parts for entry in entries(part)]


def without_key(random: Random, owner: dict[str, Any], key: str) -> None:
    del owner[key]


def renamed_key(random: Random, owner: dict[str, Any], key: str) -> None:
    owner[random.choice([key + "x", key.upper(), key[1:], "self", "cls"])] = owner.pop(key)


def other_value(random: Random, owner: dict[str, Any], key: str) -> None:
    owner[key] = random.choice(OTHERS)


def larger_value(random: Random, owner: dict[str, Any], key: str) -> None:
    owner[key] = owner[key] + random.choice([-1, 1, 2**20, 2**40]) if type(owner[key]) is int else [owner[key]]


def exchanged_values(random: Random, owner: dict[str, Any], key: str) -> None:
    other = random.choice(list(owner))
    owner[key], owner[other] = owner[other], owner[key]


def added_key(random: Random, owner: dict[str, Any], key: str) -> None:
    names = ("num_labels", "is_decoder", "pruned_heads", "transformers_weights", "auto_map", "hidden_act", "self", "x")
    owner[random.choice(names)] = random.choice(OTHERS)


def deep_value(random: Random, owner: dict[str, Any], key: str) -> None:
    owner[key] = "DEEP"


ENTRIES = (without_key, renamed_key, other_value, larger_value, exchanged_values, added_key, deep_value)


def damage_json(
    change: Callable[[Random, dict[str, Any], str], None], name: str, random: Random, directory: Path
) -> None:
    path = directory / name
    content = json.loads(path.read_text())
    change(random, *random.choice(entries(content)))
    path.write_text(json.dumps(content, indent=2).replace('"DEEP"', NESTED))


def damage_header(change: Callable[[Random, dict[str, Any], str], None], random: Random, directory: Path) -> None:
    path = weights(random, directory)
    content = path.read_bytes()
    end = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(content[8:end])
    change(random, *random.choice(entries(header)))
    text = json.dumps(header, separators=(",", ":")).replace('"DEEP"', NESTED).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + content[end:])


def removed(path: Path, random: Random) -> None:
    path.unlink()


def emptied(path: Path, random: Random) -> None:
    path.write_bytes(b"")


def made_a_directory(path: Path, random: Random) -> None:
    path.unlink()
    path.mkdir()


def made_a_loop(path: Path, random: Random) -> None:
    path.unlink()
    path.symlink_to(path.name)


def made_a_pointer(path: Path, random: Random) -> None:
    path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:4d7a2146\nsize 12345\n")


def made_something_else(path: Path, random: Random) -> None:
    path.write_bytes(random.choice([b"<!DOCTYPE html>", b"null", b"[]", b"7", b'"x"', b"{}", random.randbytes(500)]))


def exchanged_with_another(path: Path, random: Random) -> None:
    other = random.choice([file for file in sorted(path.parent.iterdir()) if file != path])
    content = other.read_bytes()
    shutil.copyfile(path, other)
    path.write_bytes(content)


def copied_beside(path: Path, random: Random) -> None:
    names = (
        "pytorch_model.bin",
        "model-00001-of-00009.safetensors",
        "generation_config.json",
        "model.safetensors",
        INDEX,
    )
    shutil.copyfile(path, path.with_name(random.choice([name for name in names if name != path.name])))


FILES = (
    *(removed, emptied, made_a_directory, made_a_loop, made_a_pointer, made_something_else),
    *(exchanged_with_another, copied_beside),
)


def damage_file(change: Callable[[Path, Random], None], name: str, random: Random, directory: Path) -> None:
    change(directory / name if name in JSON_FILES else weights(random, directory), random)
