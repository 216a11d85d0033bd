"""Markup from functions: text is escaped wherever it enters, so that no section can forget it."""

from collections.abc import Container, Iterable, Mapping, Sequence
from html import escape


class Html(str):
    """Markup that may stand in a page as it is. Only the functions of this module make it."""

    __slots__ = ()


def join(*content: object) -> Html:
    """Text and markup in a row. Text is escaped, None is left out, lists are taken apart."""
    return Html("".join(_part(item) for item in content))


def tag(name: str, /, *content: object, **attributes: object) -> Html:
    """`<name attributes>content</name>`; see `join` for the content.

    In the names of attributes an underscore stands for `-` and one at the end for nothing: `class_`, `aria_label`.
    An attribute that is None or False is left out; True gives it without a value.
    """
    return Html(f"<{name}{''.join(_attribute(*item) for item in attributes.items())}>{join(*content)}</{name}>")


def void(name: str, /, **attributes: object) -> Html:
    """An element that has no content and no end, such as `meta`."""
    return Html(f"<{name}{''.join(_attribute(*item) for item in attributes.items())}>")


def table(caption: str, header: Sequence[str], rows: Iterable[Sequence[object]], numbers: Container[int] = ()) -> Html:
    """A table that scrolls by itself where it is too wide.

    Args:
        caption: says what it shows.
        header: one title for each column.
        rows: cells; the first one names the row.
        numbers: indices of the columns that hold numbers and are set right.
    """
    kinds = ["number" if index in numbers else None for index in range(len(header))]
    titles = [tag("th", title, scope="col", class_=kind) for title, kind in zip(header, kinds, strict=True)]
    body = [tag("tr", [_cell(cell, kinds, index) for index, cell in enumerate(row)]) for row in rows]
    whole = tag("table", tag("caption", caption), tag("thead", tag("tr", titles)), tag("tbody", body))
    return scrolling(caption, whole)


def scrolling(label: str, *content: object) -> Html:
    """What may be wider than a phone: it scrolls by itself, with the keyboard too, and the page does not."""
    return tag("div", *content, class_="scroll", tabindex="0", role="region", aria_label=label)


def definitions(items: Mapping[str, object]) -> Html:
    """Names and what they are, as a list; None is left out."""
    pairs = [tag("div", tag("dt", name), tag("dd", value)) for name, value in items.items() if value is not None]
    return tag("dl", pairs)


def code_list(names: Sequence[str]) -> Html:
    """Names in a row, set as code, with commas between."""
    return join([part for name in names for part in (", ", tag("code", name))][1:])


def _cell(content: object, kinds: Sequence[str | None], index: int) -> Html:
    if index == 0:
        return tag("th", content, scope="row", class_=kinds[index])
    return tag("td", content, class_=kinds[index])


def _part(item: object) -> str:
    if item is None:
        return ""
    if isinstance(item, Html):
        return item
    if isinstance(item, (list, tuple)):
        return join(*item)
    return escape(str(item))


def _attribute(name: str, value: object) -> str:
    name = name.removesuffix("_").replace("_", "-")
    if value is None or value is False:
        return ""
    return f" {name}" if value is True else f' {name}="{escape(str(value))}"'
