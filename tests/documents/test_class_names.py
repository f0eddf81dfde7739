"""One word means one thing: no public class of services/ and libs/ has the name of another."""

import ast
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_a_class_name_is_there_once() -> None:
    """Else a reader has to look at the imports to know which one is meant."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    for folder in ("services", "libs"):
        for path in (ROOT / folder).rglob("*.py"):
            for node in ast.parse(path.read_text()).body:
                if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                    found[node.name].append(str(path.relative_to(ROOT)))
    assert len(found) > 300
    assert not {name: paths for name, paths in found.items() if len(paths) > 1}
