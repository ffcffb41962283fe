"""Who may import whom. The engine is LLVM IR in, LLVM IR out: it knows no Numba, and llvmlite in one file."""

import ast
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PASSES = ROOT / "passes"
LLVM_FILE = PASSES / "llvm.py"
STANDARD = set(sys.stdlib_module_names)

# A folder of the engine may import those to its right, and itself. Analyses ask the rules what a known call does to
# memory; no rule asks an analysis, so that a rule stays a formula.
LAYERS = {
    "derivative": {"analysis", "rules", "ir"},
    "analysis": {"rules", "ir"},
    "rules": {"ir"},
    "ir": set(),
}


def imported_names(path):
    """Every module that a file imports, in functions and conditions too; `from a import b` may name module a.b."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.relative_to(ROOT)}:{node.lineno}: relative import; write the full name"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def inside(name, package):
    return name == package or name.startswith(package + ".")


engine_files = pytest.mark.parametrize("path", sorted(PASSES.rglob("*.py")), ids=lambda p: str(p.relative_to(ROOT)))


@engine_files
def test_engine_is_independent(path):
    allowed = {"numbad.passes", *STANDARD}
    if path == LLVM_FILE:
        allowed.add("llvmlite")
    foreign = [name for name in imported_names(path) if not any(inside(name, package) for package in allowed)]
    assert not foreign


@engine_files
def test_layers_import_one_way(path):
    layer = path.relative_to(PASSES).parts[0]
    if layer not in LAYERS:
        return  # files at the top of the engine join the layers
    forbidden = set(LAYERS) - LAYERS[layer] - {layer}
    for name in imported_names(path):
        for other in forbidden:
            assert not inside(name, f"numbad.passes.{other}"), f"{layer} imports {name}"


@engine_files
def test_text_is_read_in_few_places(path):
    """What LLVM's text looks like is known to the readers of `ir`, to text.py, and to fuse.py, which works on code that
    the engine never reads; Numba's and numba-cuda's to known_calls.py and kernel_calls.py."""
    if path.parent.name != "ir" and path.name not in ("text.py", "fuse.py", "known_calls.py", "kernel_calls.py"):
        assert "re.compile" not in imported_names(path)
        assert "re" not in imported_names(path)


INSIDES = ROOT / "numbad" / "cuda" / "numba_cuda"
"""All that is known of numba-cuda's inner names."""

ours = pytest.mark.parametrize(
    "path", [path for path in sorted((ROOT / "numbad").rglob("*.py")) if INSIDES not in path.parents],
    ids=lambda p: str(p.relative_to(ROOT)))


@ours
def test_insides_of_numba_cuda_are_known_in_one_place(path):
    """Others import `numba.cuda` by its documented names, as users do."""
    assert not [name for name in imported_names(path) if inside(name, "numba.cuda") and name != "numba.cuda"]


def test_engine_knows_no_numba_by_import_string():
    """`importlib` would get round the two tests above."""
    for path in PASSES.rglob("*.py"):
        names = set(imported_names(path))
        assert not any(inside(name, "importlib") for name in names), path.relative_to(ROOT)


def test_the_reader_of_imports_sees_all_forms(tmp_path):
    source = "import a.b\ndef f():\n    from c import d\nif 1:\n    import e as g\n"
    path = tmp_path / "sample.py"
    path.write_text(source)
    assert sorted(imported_names(path)) == ["a.b", "c.d", "e"]
