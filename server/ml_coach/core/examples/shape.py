"""The shape of what a prompt asks for, which decides the form of its tests.

Read from words and signatures alone. A prompt that is a function's signature with its docstring
has the shape of a plain function, unless the signature says otherwise.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from ml_coach.core.examples.interface import asks_for_script, class_names
from ml_coach.core.python import syntax
from ml_coach.core.types import Spec

_ASYNC = re.compile(r"\basync\w*\b|\basync[hk]ron\w*|\bawait|\bcoroutines?\b", re.IGNORECASE)
_LAZY = re.compile(
    r"\b(?:generators?|iterators?|lazy|lazily|yields?|yielding|infinite|endless|générateurs?"
    r"|paresseu(?:x|se)|générat\w+|itérateurs?|generador\w*|iterador\w*|generator\w*|iterator\w*)\b",
    re.IGNORECASE,
)
# A parameter of this name is a path of a file or a folder.
_PATH = re.compile(
    r"(?:\w+_)?(?:path|paths|file|files|filename|filepath|folder|directory|dirname|root|pfad|datei"
    r"|ordner|chemin|fichier|dossier|ruta|archivo|carpeta|percorso|cartella)"
)
_FILE = re.compile(
    r"\b(?:files?|csv|\.json|\.txt|folder|directory|datei\w*|fichiers?|archivos?|ordner)\b",
    re.IGNORECASE,
)
_PRINTS = (
    r"\b(?:prints?|printing|imprim\w+|affiche\w*|stampa\w*|druckt?e?|ausgeben|ausgibt)\b"
    r"(?!\s*\()"
)
_WITHOUT = (
    r"(?:\b(?:no|not|without|never|instead of|rather than|ohne|sans|sin|kein\w*|nicht)\b|n['’]t\b)"
    r"[^.;:\n]{0,20}$"
)
_PACKAGES = {
    "numpy": r"\b(?:numpy|np\.\w+|ndarray)\b",
    "pandas": r"\b(?:pandas|pd\.\w+|DataFrame)\b",
}


@dataclass(frozen=True, slots=True)
class Shape:
    """What the tests have to do: call functions, use objects of a class, or run a script.

    The results may have to be awaited (`is_async`), asked for item by item (`is_lazy`), read from
    what is printed (`prints`), or depend on files (`uses_files`). `packages` are the array
    packages that the prompt wants.
    """

    kind: Literal["function", "class", "script"] = "function"
    is_async: bool = False
    is_lazy: bool = False
    uses_files: bool = False
    prints: bool = False
    packages: tuple[str, ...] = ()

    @property
    def is_plain(self) -> bool:
        """Whether one comparison of a call with a value is a test."""
        return self == Shape()


def shape_of(spec: Spec) -> Shape:
    """The shape of what `spec` asks for."""
    if spec.stub:
        return _shape_of_code(spec)
    prompt = spec.prompt
    if not spec.names and asks_for_script(prompt):
        return Shape("script", uses_files=_FILE.search(prompt) is not None)
    is_class = bool(set(class_names(prompt)) & set(spec.names))
    return Shape(
        "class" if is_class else "function",
        is_async=_ASYNC.search(prompt) is not None,
        is_lazy=not is_class and _LAZY.search(prompt) is not None,
        uses_files=any(map(_PATH.fullmatch, parameters(spec))),
        prints=not is_class and _wants(prompt, _PRINTS),
        packages=tuple(name for name, said in _PACKAGES.items() if _wants(prompt, said)),
    )


def _shape_of_code(spec: Spec) -> Shape:
    tree = syntax.parse(spec.stub)
    asked = [s for s in tree.body if getattr(s, "name", "") in spec.names] if tree else []
    if any(isinstance(s, ast.ClassDef) for s in asked):
        return Shape("class")
    return Shape(is_async=any(isinstance(s, ast.AsyncFunctionDef) for s in asked))


def parameters(spec: Spec) -> Iterator[str]:
    """The names of the parameters in the spec's signatures."""
    for text in spec.signatures:
        tree = syntax.parse(f"def {text.removeprefix('async ')}: pass")
        for node in ast.walk(tree) if tree else ():
            if isinstance(node, ast.arg):
                yield node.arg


def _wants(prompt: str, said: str) -> bool:
    """Whether the prompt speaks of a package without forbidding it."""
    found = re.finditer(said, prompt, re.IGNORECASE)
    return any(not re.search(_WITHOUT, prompt[: m.start()], re.IGNORECASE) for m in found)
