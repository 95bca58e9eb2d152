"""How the package is built: sizes, imports, habits of style, and the files that stand out.

python -m tests.benchmarks.structure [FOLDER ...] [--offenders]

Each FOLDER holds a package `synthgen`; two or more stand side by side in the table. The figures are
read from the source text and nothing is imported; shares are of the lines that are not blank. Look
at them as a doctor would: none is a target.
"""

import argparse
import ast
import tokenize
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

PACKAGE = "synthgen"
WIDEST_LINE = 100  # columns
MOST_PARAMETERS = 7
Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Module:
    """One source file.

    Args:
        name: its full name, such as synthgen.gan.step.
        path: where it lies.
        lines: its text.
        tree: its syntax tree.
    """

    name: str
    path: Path
    lines: tuple[str, ...]
    tree: ast.Module

    @property
    def room(self) -> str:
        """The folder below `synthgen` that holds it; "(top)" for the modules beside the folders."""
        parts = self.name.split(".")
        is_package = self.path.name == "__init__.py"
        return parts[1] if len(parts) > (1 if is_package else 2) else "(top)"

    @property
    def size(self) -> int:
        """Its lines that are not blank."""
        return sum(bool(line.strip()) for line in self.lines)

    @cached_property
    def functions(self) -> list[Function]:
        """All functions and methods, nested ones included."""
        return [node for node in ast.walk(self.tree) if isinstance(node, Function)]

    @cached_property
    def comments(self) -> int:
        """Comments that have a line to themselves."""
        with self.path.open("rb") as file:
            return sum(
                token.type == tokenize.COMMENT and not token.line[: token.start[1]].strip()
                for token in tokenize.tokenize(file.readline)
            )

    @cached_property
    def parallel_assignments(self) -> list[int]:
        """Lines of `a, b = x, y`, a swap apart."""
        found = []
        for node in ast.walk(self.tree):
            if not isinstance(node, ast.Assign) or not isinstance(node.value, ast.Tuple):
                continue
            (target, *_) = node.targets
            if isinstance(target, ast.Tuple) and not _is_swap(target, node.value):
                found.append(node.lineno)
        return found

    @cached_property
    def wide_lines(self) -> list[int]:
        """Lines of more than WIDEST_LINE columns."""
        return [number for number, line in enumerate(self.lines, 1) if len(line) > WIDEST_LINE]

    @cached_property
    def public_names(self) -> set[str]:
        """What the module defines at its top and does not mark as its own."""
        names = set()
        for node in self.tree.body:
            if isinstance(node, Function | ast.ClassDef):
                names.add(node.name)
            elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
                names.add(node.target.id)
            elif isinstance(node, ast.Assign):
                targets = [leaf for target in node.targets for leaf in ast.walk(target)]
                names |= {leaf.id for leaf in targets if isinstance(leaf, ast.Name)}
        return {name for name in names if not name.startswith("_")}


def _is_swap(target: ast.Tuple, value: ast.Tuple) -> bool:
    """Whether both sides have the same names in another order."""
    left = sorted(ast.unparse(element) for element in target.elts)
    return left == sorted(ast.unparse(element) for element in value.elts)


def read_modules(folder: Path) -> list[Module]:
    """Read the modules of FOLDER/synthgen."""
    modules = []
    for path in sorted((folder / PACKAGE).rglob("*.py")):
        name = ".".join(path.relative_to(folder).with_suffix("").parts).removesuffix(".__init__")
        text = path.read_text()
        modules.append(Module(name, path, tuple(text.splitlines()), ast.parse(text)))
    return modules


def import_edges(modules: list[Module]) -> dict[str, set[str]]:
    """The modules of the package that each module imports, at its top or within a function.

    What stands below `if TYPE_CHECKING:` is never run and not counted.
    """
    names = {module.name for module in modules}
    edges: dict[str, set[str]] = {}
    for module in modules:
        wanted: set[str] = set()
        typing_only = {
            id(node)
            for block in ast.walk(module.tree)
            if isinstance(block, ast.If) and ast.unparse(block.test) == "TYPE_CHECKING"
            for node in ast.walk(block)
        }
        for node in ast.walk(module.tree):
            if id(node) in typing_only:
                continue
            if isinstance(node, ast.Import):
                wanted |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                # `from synthgen.datasets import idx` imports a module of that name
                for alias in node.names:
                    inner = f"{node.module}.{alias.name}"
                    wanted.add(inner if inner in names else node.module)
        edges[module.name] = (wanted & names) - {module.name}
    return edges


def longest_chain(edges: dict[str, set[str]]) -> list[str]:
    """The longest row of modules of which each imports the next; a circle raises a ValueError."""
    found: dict[str, list[str]] = {}

    def follow(name: str, above: tuple[str, ...]) -> list[str]:
        if name in above:
            raise ValueError("import circle: " + " -> ".join((*above, name)))
        if name not in found:
            chains = [follow(other, (*above, name)) for other in sorted(edges[name])]
            found[name] = [name, *max(chains, key=len, default=[])]
        return found[name]

    return max((follow(name, ()) for name in sorted(edges)), key=len)


def used_once(modules: list[Module]) -> Iterator[tuple[Module, Function]]:
    """Private functions whose name stands in one other place of their module."""
    for module in modules:
        uses: Counter[str] = Counter()
        for node in ast.walk(module.tree):
            if isinstance(node, ast.Name):
                uses[node.id] += 1
            elif isinstance(node, ast.Attribute):
                uses[node.attr] += 1
        for function in module.functions:
            private = function.name.startswith("_") and not function.name.startswith("__")
            if private and uses[function.name] == 1:
                yield module, function


def parameters(function: Function) -> int:
    """The parameters of a function, without self and cls."""
    arguments = function.args
    named = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    return len([each for each in named if each.arg not in ("self", "cls")])


def repeated_names(modules: list[Module]) -> dict[str, list[str]]:
    """Public names that several modules define, each with these modules."""
    homes = defaultdict(list)
    for module in modules:
        for name in module.public_names:
            homes[name].append(module.name)
    return {name: places for name, places in sorted(homes.items()) if len(places) > 1}


def measure(folder: Path) -> dict[str, str]:
    """The table of one tree: what is measured -> the figure, as text."""
    modules = read_modules(folder)
    lines = sum(module.size for module in modules)
    rooms: Counter[str] = Counter()
    for module in modules:
        rooms[module.room] += module.size
    room, most = rooms.most_common(1)[0]
    edges = import_edges(modules)
    functions = [function for module in modules for function in module.functions]
    once = len(list(used_once(modules)))
    crowded = sum(parameters(function) > MOST_PARAMETERS for function in functions)
    shared_names = sum(count > 1 for count in _file_names(modules).values())
    wide = sum(len(module.wide_lines) for module in modules)
    parallel = sum(len(module.parallel_assignments) for module in modules)
    comments = sum(module.comments for module in modules)
    return {
        "files": f"{len(modules)}",
        "lines": f"{sum(len(module.lines) for module in modules):,}",
        "lines that are not blank": f"{lines:,}",
        "biggest room's share of the lines": f"{most / lines:.1%} ({room})",
        "longest import chain": f"{len(longest_chain(edges))}",
        "import edges a file": f"{sum(map(len, edges.values())) / len(modules):.2f}",
        f"lines of more than {WIDEST_LINE} columns": f"{wide} ({wide / lines:.1%})",
        "private functions used once, share of all": f"{once} ({once / len(functions):.1%})",
        "standalone comments per 1,000 lines": f"{1000 * comments / lines:.1f}",
        "parallel assignments per 1,000 lines": f"{1000 * parallel / lines:.1f}",
        f"functions of more than {MOST_PARAMETERS} parameters": f"{crowded}",
        "file names that several rooms use": f"{shared_names}",
        "public names that several files define": f"{len(repeated_names(modules))}",
    }


def _file_names(modules: list[Module]) -> Counter[str]:
    return Counter(module.path.name for module in modules if module.path.name != "__init__.py")


def offenders(folder: Path) -> Iterator[str]:
    """What stands behind the figures, file by file."""
    modules = read_modules(folder)
    total = sum(module.size for module in modules)
    rooms: defaultdict[str, list[Module]] = defaultdict(list)
    for module in modules:
        rooms[module.room].append(module)
    yield "rooms"
    for room, members in sorted(rooms.items()):
        lines = sum(module.size for module in members)
        yield f"  {room:<14}{len(members):>4} files {lines:>7,} lines {lines / total:>7.1%}"
    yield "longest import chain"
    yield "  " + " > ".join(longest_chain(import_edges(modules)))
    yield "private functions used once"
    once: defaultdict[Module, list[str]] = defaultdict(list)
    for module, function in used_once(modules):
        once[module].append(f"{function.name}:{function.lineno}")
    for module, names in once.items():
        yield f"  {module.path.relative_to(folder)}: {', '.join(names)}"
    yield f"functions of more than {MOST_PARAMETERS} parameters"
    for module in modules:
        for function in module.functions:
            if parameters(function) > MOST_PARAMETERS:
                place = f"{module.path.relative_to(folder)}:{function.lineno}"
                yield f"  {place} {function.name} ({parameters(function)})"
    yield "parallel assignments"
    for module in modules:
        if module.parallel_assignments:
            numbers = ", ".join(map(str, module.parallel_assignments))
            yield f"  {module.path.relative_to(folder)}: lines {numbers}"
    yield f"lines of more than {WIDEST_LINE} columns"
    for module in modules:
        if module.wide_lines:
            yield f"  {module.path.relative_to(folder)}: {len(module.wide_lines)}"
    yield "file names that several rooms use"
    for name, count in sorted(_file_names(modules).items()):
        if count > 1:
            places = [
                str(m.path.relative_to(folder).parent) for m in modules if m.path.name == name
            ]
            yield f"  {name}: {', '.join(places)}"
    yield "public names that several files define"
    for name, places in repeated_names(modules).items():
        yield f"  {name}: {', '.join(place.removeprefix(f'{PACKAGE}.') for place in places)}"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("folders", nargs="*", type=Path, default=[Path()], metavar="FOLDER")
    parser.add_argument(
        "--offenders",
        action="store_true",
        help="list what is behind the last FOLDER",
    )
    options = parser.parse_args()
    columns = [measure(folder) for folder in options.folders]
    width = max(len(name) for name in columns[0])
    for name in columns[0]:
        print(f"{name:<{width}}", *(f"{column[name]:>24}" for column in columns))
    if options.offenders:
        print()
        print(*offenders(options.folders[-1]), sep="\n")


if __name__ == "__main__":
    main()
