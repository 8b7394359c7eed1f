"""The orders that users give, for the files of a project. Both faces make them here.

A method returns the order, or a sentence for the user that says why there can be none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Protocol

from ml_coach.core.agents.divider import Part
from ml_coach.core.evidence import Provenance
from ml_coach.core.python.stubs import functions_in, stubs_in
from ml_coach.core.python.syntax import complaint
from ml_coach.named_modules import named_modules, new_files
from ml_coach.project_files import Opened
from ml_coach.project_layout import (
    generated_name,
    new_program,
    source_folder,
    tests_places,
    usual_tests,
)
from ml_coach.run_order import RunOrder, import_problem, request_from
from ml_coach.settings import Settings

_MOST_NAMED = 5


class Files(Protocol):
    """The files below the folder `root`, by relative path, as a face sees them: in an editor the
    text that is not saved yet counts. Methods raise `OSError` for a file that cannot be read."""

    @property
    def root(self) -> Path:
        """The project's folder."""
        ...

    def text(self, file: str) -> str | None:
        """What the file reads now; None where there is none."""
        ...

    def exists(self, file: str) -> bool:
        """Whether there is such a file."""
        ...

    async def is_foreign(self, file: str) -> bool:
        """Whether the file holds something that ML Coach did not write."""
        ...

    async def provenance(self, tests_file: str) -> Mapping[str, Provenance]:
        """Where the tests of a file come from that ML Coach wrote, by name."""
        ...

    def prompt_of(self, program_file: str) -> str:
        """What earlier runs wrote that program for; empty where that is not known."""
        ...

    def tests_written_for(self, program_file: str) -> str:
        """The tests file of an earlier run on that program; empty where none is known."""
        ...


@dataclass(frozen=True, slots=True)
class FileOrders:
    """Makes orders on the programs among `files`. New ones go into the root itself where `in_root`
    says so, else where the project keeps such."""

    files: Files
    settings: Settings
    in_root: bool = False

    async def generate(self, prompt: str, program: str = "", tests: str = "") -> RunOrder | str:
        """Writes a program and its tests, into the files named, else into those of the settings,
        else into the one file that the prompt names, where the project keeps such files."""
        settings, usual, root = self.settings, Settings(), self.files.root
        note, several = "", tuple[str, ...]()
        if not program and settings.program_file == usual.program_file:
            files = new_files(prompt, self.files.exists)
            program = self._place(files[0] if len(files) == 1 else usual.program_file)
            if len(files) > 1:
                several = files
                note = (
                    f"The prompt names {' and '.join(files)}, and a run writes one program, here "
                    f"{program}. To have each of them, ask for one at a time"
                )
            if settings.tests_file != usual.tests_file:
                tests = tests or settings.tests_file
        program = program or settings.program_file
        modules = named_modules(prompt, root, program, self._text)
        tests = tests or self._first_tests(program)
        order = self._order(program, tests, "generate", prompt, modules=modules)
        if isinstance(order, str):
            return order
        return replace(order, note=note, new_files=several, of_parts=self._of_parts)

    async def _of_parts(self, parts: Sequence[Part]) -> RunOrder | str:
        """Writes the first of these parts of a prompt; its order says which ones are left."""
        first, *rest = parts
        file = self._place(first.file)
        order = await self.generate(first.prompt, file)
        if isinstance(order, str):
            return order
        follows = f"; {', then '.join(part.file for part in rest)} follows" if rest else ""
        return replace(order, note=f"This run writes {file}{follows}", rest=tuple(rest))

    def _place(self, file: str) -> str:
        """Where a new program goes."""
        is_placed = "/" in file or self.in_root
        return file if is_placed else new_program(self.files.root, file)

    def _text(self, file: str) -> str | None:
        """A file's text, None also where it cannot be read."""
        try:
            return self.files.text(file)
        except OSError:
            return None

    async def implement(self, program: str, function: str, tests: str = "") -> RunOrder | str:
        """Gives the stub `function`, by its dotted name, its body. `tests` is where its tests go,
        else where the project keeps them; those of other functions that are there stay."""
        text = self.files.text(program) or ""
        stubs = [stub for stub in stubs_in(text) if stub.name == function]
        if not stubs:
            return _no_stub(program, text, function)
        tests = tests or await self._writable_tests(program)
        provenance = await self.files.provenance(tests)
        return self._order(
            program, tests, "implement", stubs[-1].prompt, function=function, provenance=provenance
        )

    async def debug(self, program: str, tests: str) -> RunOrder | str:
        """Repairs a program until `tests` pass; where that file does not exist it is written."""
        provenance = await self.files.provenance(tests)
        return self._order(program, tests, "debug", provenance=provenance)

    async def write_tests(self, program: str, tests: str = "") -> RunOrder | str:
        """Writes tests for a program, into `tests` or where the project keeps them."""
        if fault := self._fault(program):
            return fault
        return self._order(program, tests or await self._writable_tests(program), "write_tests")

    async def refine(
        self, program: str, follow_up: str, earlier: str = "", tests: str = ""
    ) -> RunOrder | str:
        """Has a program do the `follow_up` too; what it was written for, where that is not said, is
        the prompt of the runs on it. New tests go behind those in `tests`, or in the program's."""
        if fault := self._fault(program):
            return fault
        earlier = (earlier or self.files.prompt_of(program)).strip()
        tests = tests or self.tests_of(program) or self._first_tests(program)
        return self._order(
            program, tests, "refine", f"{earlier}\n\n{follow_up}" if earlier else follow_up,
            follow_up=follow_up, provenance=await self.files.provenance(tests),
        )  # fmt: skip

    def _fault(self, program: str) -> str:
        """Why nothing can be built on the program, said before a model is asked."""
        fault = complaint(self.files.text(program) or "")
        return fault and f"{program} does not compile: {fault} Debug it first."

    def tests_of(self, program: str) -> str:
        """The file with the program's own tests, empty where there is none."""
        return next(filter(self.files.exists, self.places(program)), "")

    def places(self, program: str) -> list[str]:
        """Where the program's tests are looked for, the likeliest first."""
        places = list(tests_places(self.files.root, program))
        if program == self.settings.program_file:
            places.insert(0, self.settings.tests_file)
        if written := self.files.tests_written_for(program):
            places.insert(0, written)
        return list(dict.fromkeys(places))

    async def _writable_tests(self, program: str) -> str:
        """A tests file that ML Coach may write: never the user's own."""
        first = self._first_tests(program)
        return generated_name(first) if await self.files.is_foreign(first) else first

    def _first_tests(self, program: str) -> str:
        """Where a program's tests go: the settings' file for the settings' program, else where the
        project keeps them, also where the settings name a program and no tests."""
        settings, usual = self.settings, Settings()
        named = settings.tests_file != usual.tests_file or program == usual.program_file
        if program == settings.program_file and named:
            return settings.tests_file
        return usual_tests(self.files.root, program)

    def _order(
        self, program: str, tests: str, task: str, prompt: str = "", **fields: Any
    ) -> RunOrder | str:
        if program in (tests, self.settings.tests_file):
            return one_file(program)
        request = request_from(
            self.settings, prompt, task=task, program_file=program, tests_file=tests,
            source_folder=source_folder(self.files.root, program), **fields,
        )  # fmt: skip
        order = RunOrder(self.files.root, request, self.settings)
        return import_problem(request, has_tests=self.files.exists(tests)) or order


def fix_order(opened: Opened, settings: Settings) -> RunOrder:
    """Mends the code that a project's tests fail for. Which files that changes shows in the run."""
    project = opened.project
    request = request_from(
        settings, "", task="fix", targets=project.targets, keyword=project.keyword,
        program_file="", tests_file="",
    )  # fmt: skip
    return RunOrder(opened.root, request, settings, project=project)


def one_file(file: str) -> str:
    """Why there is no order whose program and tests are the same `file`."""
    return f"The program and its tests would both be {file}: they must be two files."


def _no_stub(program: str, text: str, function: str) -> str:
    """Why `function` of `program` cannot be implemented, and which functions can."""
    if fault := complaint(text):
        return f"{program} does not compile: {fault}"
    every = functions_in(text)
    empty = tuple(dict.fromkeys(stub.name for stub in stubs_in(text)))
    if function in every:
        why = (
            f"{program} has no function {function!r} whose body is still empty: it has one. "
            "To have it written anew, make the body `...`."
        )
        near = empty
    else:
        why = f"{program} has no function {function!r}."
        last = function.rpartition(".")[2]
        alike = get_close_matches(function, every, _MOST_NAMED)
        near = dict.fromkeys([*(n for n in every if n.split(".")[-1] == last), *alike])
        near = tuple(near) or empty or every
    if not near:
        return why
    listed = ", ".join(near[:_MOST_NAMED]) + (", …" if len(near) > _MOST_NAMED else "")
    word = "Still empty" if near == empty else "There is"
    return f"{why} {word}: {listed}."
