"""The reference of the Python API, docs/api.md, from the docstrings of what `synthgen` exports.

griffe reads signatures and docstrings without running anything; only the fields of settings are
asked for their help texts.
"""

import dataclasses
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import griffe

import synthgen

INTRODUCTION = """# Python API

What `import synthgen` gives: every call, what it takes, and the values that it returns. `make docs`
makes this page from the docstrings; a test compares the two.

`Images` and `Labels` are NumPy arrays of uint8: (n, height, width, channels) and (n,). `Data` is
`"mnist"`, the path of your own digits, or a `RealDigits`. `Say` and `Log` are functions that take a
line of text, such as `print`.
"""
NOTES = {
    "Settings": "Every field is a keyword argument with a default. The texts are those of the "
    "commands' options: what is separated by commas there is a tuple here."
}


def api_page(root: Path) -> str:
    """What docs/api.md has to hold for the package in this folder."""
    loader = griffe.GriffeLoader(docstring_parser="google", search_paths=[root])
    package = loader.load("synthgen")
    loader.resolve_aliases(implicit=True)
    exported = [package[name].final_target for name in synthgen.__all__]

    # what stands in which section
    calls = [item for item in exported if item.is_function]
    settings = [item for item in exported if item.name.endswith("Settings")]
    errors = [item for item in exported if item.name.endswith("Error")]
    values = [item for item in exported if item not in calls + settings + errors]
    results = [find(call, str(call.returns)) for call in calls]
    results = [result for result in results if result not in values]
    held = [find(owner, name) for owner in results for name in names_in_fields(owner)]
    results += [kind for kind in held if kind.is_class]
    results = sorted({result.path: result for result in results}.values(), key=lambda x: x.name)
    sections = {
        "Calls": calls,
        "Digits, sets and generators": values,
        "Settings": settings,
        "What calls return": results,
        "Errors": errors,
    }

    # the table of contents
    links = {item.name: anchor(item) for items in sections.values() for item in items}
    parts = [INTRODUCTION]
    for title, items in sections.items():
        parts.append(f"**{title}**")
        parts.append(
            "\n".join(f"- {linked(item.name, links)}: {first_sentence(item)}" for item in items)
        )

    # all of it
    for title, items in sections.items():
        parts.append(f"## {title}")
        parts += [NOTES[title]] if title in NOTES else []
        for item in items:
            if item.is_function:
                parts += describe_call(item, f"### {item.name}", links)
            else:
                parts += describe_class(item, links)
    return "\n\n".join(part.strip("\n") for part in parts) + "\n"


def find(scope: griffe.Object, name: str) -> griffe.Object:
    """What a name stands for in a scope, wherever it is defined."""
    item = scope.modules_collection[scope.resolve(name)]
    return item.final_target if item.is_alias else item


def names_in_fields(kind: griffe.Class) -> Iterator[str]:
    """The names of this package, but those it exports, in the types of the fields of a class."""
    for attribute in kind.attributes.values():
        for name in re.findall(r"\b[A-Z]\w+", str(attribute.annotation)):
            is_own = name != "None" and kind.resolve(name).startswith("synthgen.")
            if is_own and name not in synthgen.__all__:
                yield name


def anchor(item: griffe.Object) -> str:
    """Where its heading is found; that of a class has a word more, for `mix` makes a `Mix`."""
    return item.name.lower() if item.is_function else f"class-{item.name.lower()}"


def describe_call(call: griffe.Function, heading: str, links: dict[str, str]) -> Iterator[str]:
    """The paragraphs on a function or method."""
    yield heading
    yield f"```py\n{signature(call)}\n```"
    yield from describe_docstring(call, "Arguments", links)


def describe_class(kind: griffe.Class, links: dict[str, str]) -> Iterator[str]:
    """The paragraphs on a class: what it is, its fields, properties and methods."""
    yield f"### class {kind.name}"
    if kind.name == "SynthgenError":
        yield kind.parent.docstring.value  # the tree of all errors
    is_dataclass = "dataclass" in kind.labels
    if "__init__" in kind.members and not is_dataclass:
        yield f"```py\n{signature(kind['__init__'])}\n```"
    yield from describe_docstring(kind, "Fields" if is_dataclass else "Arguments", links)

    if kind.name.endswith("Settings"):
        yield bullets(
            f"**{field.name}** ({kind[field.name].annotation}, default `{field.default!r}`): "
            f"{field.metadata['help']}"
            for field in dataclasses.fields(getattr(synthgen, kind.name))
        )

    documented = [
        member
        for member in kind.all_members.values()
        if member.docstring and not member.name.startswith("_")
    ]
    properties = [member for member in documented if member.is_attribute]
    if properties:
        yield "Properties:"
        yield bullets(
            f"**{member.name}** ({linked(member.annotation, links)}): "
            f"{in_one_line(member.docstring.value)}"
            for member in properties
        )
    for member in documented:
        if member.is_function:
            yield from describe_call(member, f"#### {kind.name}.{member.name}", links)


def describe_docstring(item: griffe.Object, inputs: str, links: dict[str, str]) -> Iterator[str]:
    """The paragraphs of a docstring: text, what goes in, what comes out, errors, example."""
    sections = {section.kind.value: section.value for section in item.docstring.parsed}
    unknown = sections.keys() - {"text", "parameters", "returns", "yields", "raises", "admonition"}
    assert not unknown, f"{item.path}: this page has no form for {unknown}"
    yield sections["text"]

    parameters = list(sections.get("parameters", []))
    for base in item.mro() if item.is_class else []:  # its fields are those of its bases, too
        for section in base.docstring.parsed if base.docstring else []:
            parameters += section.value if section.kind.value == "parameters" else []
    if parameters:
        yield f"{inputs}:"
        yield bullets(
            f"**{part.name}** ({linked(part.annotation, links)}): {in_one_line(part.description)}"
            for part in parameters
        )

    described = sections.get("returns") or sections.get("yields")
    if described:
        verb = "Returns" if "returns" in sections else "Yields"
        text = in_one_line(" ".join(part.description for part in described))
        yield f"{verb}: {text}"
    elif item.is_function and str(item.returns) in links:
        yield f"Returns: {linked(item.returns, links)}"
    if "raises" in sections:
        yield "Raises:"
        yield bullets(
            f"`{part.annotation}` {in_one_line(part.description)}" for part in sections["raises"]
        )
    if "admonition" in sections:  # griffe's word for an example
        code = re.sub(r" *# doctest: \+SKIP", "", sections["admonition"].description)
        yield f"```pycon\n{code}\n```"


def signature(call: griffe.Function) -> str:
    """The call as one would write it, with a line for each argument where it is long."""
    arguments = []
    for parameter in call.parameters:
        if parameter.name == "self":
            continue
        if parameter.kind is griffe.ParameterKind.keyword_only and "*" not in arguments:
            arguments.append("*")
        default = str(parameter.default)
        if default.isupper():  # a constant
            default = str(find(call, default).value)
        default = "" if parameter.default is None else f" = {default}"
        arguments.append(f"{parameter.name}: {parameter.annotation}{default}")
    name = call.parent.name if call.name == "__init__" else call.name
    result = "" if call.name == "__init__" else f" -> {call.returns}"
    line = f"{name}({', '.join(arguments)}){result}"
    if len(line) <= 88:
        return line
    block = "".join(f"    {argument},\n" for argument in arguments)
    return f"{name}(\n{block}){result}"


def linked(names: object, links: dict[str, str]) -> str:
    """A type, or a name, in which what stands on the page leads to its heading."""
    return re.sub(
        r"\w+",
        lambda name: f"[{name[0]}](#{links[name[0]]})" if name[0] in links else name[0],
        str(names),
    )


def bullets(lines: Iterable[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)


def first_sentence(item: griffe.Object) -> str:
    return item.docstring.value.partition("\n\n")[0].replace("\n", " ")


def in_one_line(text: str) -> str:
    return " ".join(text.split())
