"""Everything that is wrong with a plugin's spec, where a sync says the first thing only."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final, TypeVar

from cloudquery_s3.errors import SpecError
from cloudquery_s3.spec import CsvSpec, JsonSpec, ParquetSpec, Spec
from cloudquery_s3.spec.advice import advice
from cloudquery_s3.spec.decode import JsonObject, decode, quoted, read_document
from cloudquery_s3.spec.duration import duration_s
from cloudquery_s3.spec.model import Options
from cloudquery_s3.spec.option import OptionGroup, fields_of
from cloudquery_s3.spec.parse import file_format, rewritten
from cloudquery_s3.spec.rules import after_format, before_format, unknown_format

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

Group = TypeVar("Group", bound=OptionGroup)

_FORMATS: Final[dict[str, type[CsvSpec | JsonSpec | ParquetSpec]]] = {
    "csv": CsvSpec,
    "json": JsonSpec,
    "parquet": ParquetSpec,
}


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What is to be said of a spec.

    Attributes:
        spec: the spec; None where there are problems.
        options: what could be read of it, with defaults in place of the rest; None where nothing could.
        problems: each keeps a sync from beginning; the one that a sync would name is the first.
        warnings: lines that begin with the option's name.
    """

    spec: Spec | None
    options: Options | None
    problems: tuple[SpecError, ...]
    warnings: tuple[str, ...]


def diagnose(data: bytes, *, invocation_id: str) -> Diagnosis:
    """Say all about a spec as JSON text. There are problems exactly if `Spec.parse` raises."""
    try:
        spec = Spec.parse(data, invocation_id=invocation_id)
    except SpecError as first:
        examination = _Examination()
        others = [problem for problem in examination.of(data) if str(problem) != str(first)]
        return Diagnosis(None, examination.options, (first, *others), tuple(examination.warnings))
    return Diagnosis(spec, spec, (), spec.warnings)


@dataclass(slots=True)
class _Examination:
    """Takes away what cannot be read, so that the rest can be; then holds the rest against every rule."""

    problems: list[SpecError] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    options: Options | None = None

    def of(self, data: bytes) -> list[SpecError]:
        try:
            document = read_document(data)
        except SpecError as error:
            return [error]
        options = self._with_duration(self._readable(Options, document))
        unreadable = {problem.field for problem in self.problems}
        self._note(before_format(options), options, unreadable)
        self._note(unknown_format(options), options, unreadable)
        options = self._with_format_spec(options)
        self._note(after_format(options), options, unreadable)
        self._advise(options)
        self.options = options
        return self.problems

    def _advise(self, options: Options) -> None:
        """Say of the rest what would be said of a spec that works."""
        used = replace(options, **rewritten(options))
        known = options.format in _FORMATS
        lines = advice(options, used, file_format=file_format(options) if known else "")
        self.warnings += [line for line in lines if options.path or not line.startswith("path:")]

    def _note(self, problems: Iterable[SpecError], options: Options, silent: set[str]) -> None:
        """Keep problems, but one only of a value that is missing, and none of one that could not be read."""
        for problem in problems:
            name = problem.field
            if name in silent or name.partition(".")[0] in silent:
                continue
            if not _value(options, name) and any(name == known.field for known in self.problems):
                continue
            self.problems.append(problem)

    def _readable(self, model: type[Group], pairs: JsonObject, *, parent: str = "", strict: bool = False) -> Group:
        """Return an object's options without those of the wrong kind, which are noted as problems."""
        while True:
            warnings: list[str] = []
            try:
                options = decode(model, pairs, warnings, field=parent, strict=strict)
            except SpecError as error:
                self.problems.append(error)
                pairs = _without(pairs, error.field.removeprefix(f"{parent}." if parent else ""))
            else:
                self.warnings += warnings
                return options

    def _with_duration(self, options: Options) -> Options:
        try:
            duration_s(options.batch_timeout)
        except ValueError as error:
            self.problems.append(SpecError(str(error), field="batch_timeout"))
            default = fields_of(Options)["batch_timeout"].default
            return replace(options, batch_timeout=default)
        return options

    def _with_format_spec(self, options: Options) -> Options:
        model = _FORMATS.get(options.format)
        if model is None:
            return replace(options, format_spec=JsonSpec())  # whose options these are cannot be known
        written: object = options.format_spec if "format_spec" in options.written else JsonObject()
        if not isinstance(written, JsonObject):
            message = f"must be an object of named values, as format: {options.format} has them"
            self.problems.append(SpecError(message, field="format_spec"))
            written = JsonObject()
        details = self._readable(model, written, parent="format_spec", strict=True)
        return replace(options, format_spec=details)


def _without(pairs: JsonObject, name: str) -> JsonObject:
    """Return an object without what a problem is about; `name` may lead into an object of it.

    Where that is missing, the object that lacks it goes.
    """
    kept = JsonObject(pair for pair in pairs if name not in {pair[0].lower(), quoted(pair[0])})
    if len(kept) < len(pairs):
        return kept
    first, _, rest = name.partition(".")
    return JsonObject(_inside(pairs, first, rest))


def _inside(pairs: JsonObject, first: str, rest: str) -> Iterator[tuple[str, Any]]:
    for key, value in pairs:
        if key.lower() == first:
            if rest and isinstance(value, JsonObject) and (inner := _without(value, rest)) != value:
                yield key, inner
        else:
            yield key, value


def _value(options: Options, name: str) -> object:
    value: object = options
    for part in name.split("."):
        value = getattr(value, part, None)
    return value
