"""Reads a page as a browser's parser would: its elements, whether they nest, what they say."""

import re
from html.parser import HTMLParser

VOID = {"meta", "link", "img", "br", "hr", "input", "source"}
INLINE = ("a", "strong", "small", "code", "span")
LOADING = ("src", "href", "srcset", "action", "data", "poster", "xlink:href", "formaction")


class Structure(HTMLParser):
    """Elements with their attributes, in order, and all text; fails where they do not nest."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.text = ""
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.handle_startendtag(tag, attributes)
        if tag not in VOID:
            self.open.append(tag)
        self.text += " " * (tag not in INLINE)

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        assert len({name for name, _ in attributes}) == len(attributes), (
            f"<{tag}> has an attribute twice"
        )
        self.elements.append((tag, {name: value or "" for name, value in attributes}))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not self.open or self.open[-1] not in ("style", "script"):
            self.text += data

    @property
    def words(self) -> str:
        """All text with single spaces."""
        return " ".join(self.text.split())

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.elements if name == tag]


def check_page(page: str) -> Structure:
    """Checks that a page is well formed, loads nothing, has unique ids and words for pictures."""
    structure = Structure(page)
    loads = [
        attributes[name]
        for _, attributes in structure.elements
        for name in LOADING
        if name in attributes
    ]
    assert all(value.startswith(("data:", "#")) for value in loads)
    outside = re.sub(r'"data:[^"]*"', "", page)
    assert not re.search(r"https?:|@import|//www|<iframe|<object", outside)
    ids = [attributes["id"] for _, attributes in structure.elements if "id" in attributes]
    assert len(set(ids)) == len(ids)
    wanted = {value[1:] for value in loads if value.startswith("#")} | set(
        re.findall(r"url\(#([^)]+)\)", page)
    )
    assert wanted <= set(ids)
    assert all(image.get("alt") for image in structure.all("img"))
    assert all(
        drawing.get("aria-label") and drawing.get("role") == "img"
        for drawing in structure.all("svg")
    )
    return structure
