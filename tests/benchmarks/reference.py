"""What torch-fidelity and clean-fid say of fixed random features.

These are the values that tests/metrics/test_distances.py compares with.

    pip download --no-deps -d wheels torch-fidelity==0.4.0 clean-fid==0.1.35
    python -m tests.benchmarks.reference wheels

Their modules import torch, which these functions do not use: each is taken from its wheel as it
stands and run by itself.
"""

import argparse
import ast
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from scipy import linalg


def features() -> tuple[np.ndarray, np.ndarray]:
    """Two sets of 300 correlated features each, (300, 6) float64."""
    random = np.random.Generator(np.random.Philox(key=2017))
    mixing = random.normal(size=(6, 6)) / 3
    return random.normal(size=(300, 6)) @ mixing, random.normal(size=(300, 6)) * [
        1,
        2,
        0.5,
        1,
        1,
        3,
    ] @ mixing + 0.3


def functions(wheel: Path, module: str, wanted: tuple[str, ...], **names: Any) -> dict[str, Any]:
    """Some functions of a module, without what the module imports."""
    tree = ast.parse(zipfile.ZipFile(wheel).read(module))
    tree.body = [
        node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name in wanted
    ]
    exec(compile(tree, module, "exec"), names)
    return names


def torch_fidelity(wheel: Path) -> tuple[float, float]:
    """Its Frechet distance and its kernel distance of one subset that is the whole."""
    x, y = features()
    frechet = functions(
        wheel,
        "torch_fidelity/metric_fid.py",
        ("fid_statistics_to_metric",),
        np=np,
        KEY_METRIC_FID="fid",
        vprint=lambda *_: None,
    )
    helpers = {"get_kwarg": lambda name, options: options[name], "vassert": lambda *_: None}
    kernel = functions(
        wheel, "torch_fidelity/metric_kid.py", ("mmd2", "kernel_poly"), np=np, **helpers
    )
    sides = [{"mu": side.mean(axis=0), "sigma": np.cov(side, rowvar=False)} for side in (x, y)]
    options = {
        "kid_kernel_poly_degree": 3,
        "kid_kernel_poly_gamma": None,
        "kid_kernel_poly_coef0": 1.0,
    }
    tables = [
        kernel["kernel_poly"](left, right, **options) for left, right in ((x, x), (x, y), (y, y))
    ]
    return frechet["fid_statistics_to_metric"](*sides, False)["fid"], float(kernel["mmd2"](*tables))


def clean_fid(wheel: Path) -> tuple[float, float]:
    """The same of clean-fid."""
    x, y = features()
    found = functions(
        wheel, "cleanfid/fid.py", ("frechet_distance", "kernel_distance"), np=np, linalg=linalg
    )
    moments = [part for side in (x, y) for part in (side.mean(axis=0), np.cov(side, rowvar=False))]
    return float(found["frechet_distance"](*moments)), found["kernel_distance"](
        x, y, num_subsets=1, max_subset_size=len(x)
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("wheels", type=Path)
    folder = parser.parse_args().wheels
    for name, measure in (("torch_fidelity", torch_fidelity), ("clean_fid", clean_fid)):
        frechet, kernel = measure(next(folder.glob(f"{name}-*.whl")))
        print(f"{name:<15} Frechet distance {frechet:.9f}, kernel distance {kernel:.9f}")


if __name__ == "__main__":
    main()
