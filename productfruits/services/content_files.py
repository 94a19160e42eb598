"""Tours, checklists, themes and audiences as YAML files in a folder: one file each, like DIR/tours/welcome.yaml."""

import contextlib
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from productfruits.adoption import documents, references, yaml_text
from productfruits.adoption.documents import Document, InvalidDocument, Problem
from productfruits.adoption.yaml_text import NotYaml
from productfruits.errors import ProductFruitsError

#: Folder -> kind.
FOLDERS: Mapping[str, str] = {"themes": "theme", "audiences": "audience", "checklists": "checklist", "tours": "tour"}
_FOLDER_OF = {kind: folder for folder, kind in FOLDERS.items()}
SUFFIX = ".yaml"
FILE_BYTES = 1024 * 1024
#: So many problems are told at once; whoever has more has made one mistake many times.
SHOWN = 50


class NoFiles(ProductFruitsError):
    """There is nothing to read."""

    def __init__(self, folder: Path) -> None:
        super().__init__(
            f"{folder} holds no tours, checklists, themes or audiences. They are files like tours/welcome.yaml in it; "
            "get those of a workspace with: productfruits content pull DIR"
        )


class FolderFailed(ProductFruitsError):
    """The folder cannot be read or written."""


@dataclass(frozen=True, slots=True)
class FileProblem:
    """What is wrong, in which file and at which line."""

    file: Path
    line: int
    message: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.message}"


class InvalidFiles(ProductFruitsError):
    """Some files cannot be used, so nothing was changed."""

    def __init__(self, problems: Sequence[FileProblem]) -> None:
        self.problems = tuple(problems)
        shown = [str(problem) for problem in problems[:SHOWN]]
        if len(problems) > SHOWN:
            shown.append(f"… and {len(problems) - SHOWN} more.")
        counted = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        super().__init__("\n".join([f"{counted} in these files, so nothing was changed:", *shown]))


@dataclass(frozen=True, slots=True)
class ContentFile:
    """A file with what it says, checked and complete."""

    file: Path
    kind: str
    document: Document
    lines: yaml_text.Read

    @property
    def key(self) -> str:
        return str(self.document["key"])

    def problems(self, found: Iterable[Problem]) -> Iterator[FileProblem]:
        """Problems of the document at their lines."""
        return (FileProblem(self.file, self.lines.line(problem.path), str(problem)) for problem in found)


def path_of(folder: Path, kind: str, key: str) -> Path:
    """Where the file of a content lies."""
    return folder / _FOLDER_OF[kind] / f"{key}{SUFFIX}"


def read(folder: Path) -> Sequence[ContentFile]:
    """Every file of the folder, by kind and key. Raises `InvalidFiles` with all problems of all of them, or `NoFiles`.

    What needs the store (is there such a tour?) is not checked here.
    """
    found: list[ContentFile] = []
    problems: list[FileProblem] = []
    for file, kind in _files(folder):
        try:
            found.append(_read(file, kind))
        except _Wrong as wrong:
            problems += wrong.problems
    problems += _taken_twice(found)
    for each in found:
        if each.kind in documents.CONTENT:
            problems += each.problems(references.dead_ends(each.document))
    if problems:
        raise InvalidFiles(sorted(problems, key=lambda problem: (problem.file, problem.line)))
    if not found:
        raise NoFiles(folder)
    return found


def write(folder: Path, kind: str, document: Document) -> bool:
    """Write the document into its file; False when the file says exactly that already."""
    file = path_of(folder, kind, document["key"])
    text = yaml_text.write(documents.compact(kind, document)).encode()
    try:
        if file.is_file() and file.read_bytes() == text:
            return False
        file.parent.mkdir(parents=True, exist_ok=True)
        # Whole or not at all: a full disk must not leave half a tour in somebody's checkout.
        descriptor, temporary = tempfile.mkstemp(dir=file.parent, prefix=".", suffix=".tmp")
        try:
            with os.fdopen(descriptor, "wb") as stream:
                stream.write(text)
            os.chmod(temporary, 0o644)
            os.replace(temporary, file)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
            raise
    except OSError as err:
        raise FolderFailed(
            f"{file} cannot be written ({err.strerror}). Choose a folder that you may write to."
        ) from err
    return True


def names(folder: Path) -> Sequence[tuple[str, str, Path]]:
    """Kind, key and path of every file of the folder, whatever it says."""
    return [(kind, file.stem, file) for file, kind in _files(folder) if file.suffix == SUFFIX]


class _Wrong(Exception):
    def __init__(self, problems: Iterable[FileProblem]) -> None:
        super().__init__()
        self.problems = list(problems)


def _files(folder: Path) -> Iterator[tuple[Path, str]]:
    """Every YAML file below the folders of our kinds. Other files are none of our business."""
    try:
        for name, kind in FOLDERS.items():
            inside = folder / name
            if inside.is_dir():
                for file in sorted(inside.iterdir()):
                    if file.suffix in (SUFFIX, ".yml") and file.is_file() and not file.name.startswith("."):
                        yield file, kind
    except OSError as err:
        raise FolderFailed(f"{folder} cannot be read ({err.strerror}). Check its rights.") from err


def _read(file: Path, kind: str) -> ContentFile:
    said = _yaml(file)
    try:
        found = ContentFile(file, kind, documents.load(kind, said.value), said)
    except InvalidDocument as err:
        raise _Wrong(FileProblem(file, said.line(problem.path), str(problem)) for problem in err.problems) from err
    if file.name != found.key + SUFFIX:
        words = (
            f"key: The file is called {file.name}, so its key would be {file.stem} and its name {file.stem}{SUFFIX}."
        )
        raise _Wrong([FileProblem(file, said.line(("key",)), words)])
    return found


def _yaml(file: Path) -> yaml_text.Read:
    try:
        with file.open("rb") as stream:
            raw = stream.read(FILE_BYTES + 1)
        if len(raw) > FILE_BYTES:
            raise _Wrong([FileProblem(file, 1, "The file is larger than 1 MiB.")])
        return yaml_text.read(raw.decode("utf-8-sig"))
    except UnicodeDecodeError as err:
        line = err.object.count(b"\n", 0, err.start) + 1
        raise _Wrong([FileProblem(file, line, "The file is not UTF-8.")]) from err
    except NotYaml as err:
        raise _Wrong([FileProblem(file, err.line, str(err))]) from err
    except OSError as err:
        raise _Wrong([FileProblem(file, 1, f"The file cannot be read ({err.strerror}).")]) from err


def _taken_twice(found: Sequence[ContentFile]) -> Iterator[FileProblem]:
    """Tours and checklists share their keys."""
    seen: dict[str, ContentFile] = {}
    for each in found:
        if each.kind not in documents.CONTENT:
            continue
        if each.key in seen:
            words = f"key: {seen[each.key].file} has this key too, and tours and checklists share their keys."
            yield FileProblem(each.file, each.lines.line(("key",)), words)
        seen[each.key] = each
