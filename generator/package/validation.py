"""Run all validators on a package."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

from generator.package.hints import processes_below
from generator.package.oracles import Oracle, Profile, chosen, cwltool, packmill_rules
from generator.package.oracles.opinion import NotInstalledError, Opinion
from generator.repository.checkout import is_file
from generator.shared.errors import UsageError

_NOT_LOADED = Opinion(faults=("not loaded, because it has parts that packmill does not write",))
"""CWL's loader would read any file that such a document names."""
_Opinions = dict[Path, Opinion | NotInstalledError]
"""The opinion of one validator on each document, or that it is not installed."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """The result of one validator for one document; ``problem`` and ``warning`` are empty for a valid document."""

    document: str
    oracle: str
    problem: str = ""
    warning: str = ""
    install: str = ""
    """The command that installs the validator; empty if it is installed."""
    seconds: float = 0.0

    @property
    def result(self) -> str:
        """The result in a word or two."""
        if self.install:
            return "not run"
        return "FAIL" if self.problem else "warning" if self.warning else "ok"


def validate(
    package: Path, *, profile: Profile | None = Profile.ALL, say: Callable[[str], None] = lambda _: None
) -> list[Verdict]:
    """Run validators on the packages in a folder; ``say`` gets a line for each that has ended.

    Without a profile, these are the validators of every package, which are always installed.

    Raises:
        UsageError: the folder is not a package, or it has no document for the profile.
    """
    own = package / "process.cwl"
    folders = [path.parent for path in sorted([*([own] if is_file(own) else []), *processes_below(package)])]
    if not folders:
        raise UsageError(f"{package}: not a package, process.cwl is missing")
    oracles = chosen(profile)
    documents = [[one for folder in folders for one in oracle.documents(folder)] for oracle in oracles]
    of_profile = [found for oracle, found in zip(oracles, documents, strict=True) if oracle.profile == profile]
    if profile not in (None, Profile.ALL) and not any(of_profile):
        raise UsageError(f"{package}: no document for the profile {profile}; build the package with this version")
    opinions = _judge(oracles, documents, say)
    ordered = dict.fromkeys(one for folder in folders for found in documents for one in found if one.parent == folder)
    return [
        _verdict(str(document.relative_to(package)), oracle, found[document])
        for document in ordered
        for oracle, found in zip(oracles, opinions, strict=True)
        if document in found
    ]


def _judge(
    oracles: Sequence[Oracle], documents: Sequence[Sequence[Path]], say: Callable[[str], None]
) -> list[_Opinions]:
    """Ask all validators at once, most of which are processes; those that load documents get none that is refused."""
    cwl = list(dict.fromkeys(one for found in documents for one in found if one.suffix == ".cwl"))
    rules: _Opinions = dict(zip(cwl, packmill_rules.judge(cwl), strict=True))
    refused = {document for document, opinion in rules.items() if isinstance(opinion, Opinion) and opinion.faults}

    def ask(oracle: Oracle, found: Sequence[Path]) -> _Opinions:
        loaded = [one for one in found if not (oracle.loads and one in refused)]
        opinions = rules if oracle is packmill_rules else _opinions(oracle, loaded)
        left_out = [one for one in found if one in refused] if oracle is cwltool else []
        return opinions | dict.fromkeys(left_out, _NOT_LOADED)

    with ThreadPoolExecutor() as pool:
        asked = {pool.submit(ask, *pair): pair[0] for pair in zip(oracles, documents, strict=True)}
        for ended in as_completed(asked):
            if opinions := ended.result():
                say(f"{asked[ended].name}: {_count(opinions.values())}")
    return [one.result() for one in asked]


def _opinions(oracle: Oracle, documents: Sequence[Path]) -> _Opinions:
    if not documents:
        return {}
    try:
        return dict(zip(documents, oracle.judge(documents), strict=True))
    except NotInstalledError as error:
        return dict.fromkeys(documents, error)


def _count(opinions: Iterable[Opinion | NotInstalledError]) -> str:
    known = [one for one in opinions if isinstance(one, Opinion)]
    if not known and opinions:
        return "not run"
    return f"{sum(not one.faults for one in known)} of {len(known)} documents valid"


def _verdict(document: str, oracle: Oracle, opinion: Opinion | NotInstalledError) -> Verdict:
    if isinstance(opinion, NotInstalledError):
        return Verdict(document=document, oracle=oracle.name, install=opinion.install)
    return Verdict(
        document=document,
        oracle=oracle.name,
        problem="\n".join(opinion.faults),
        warning="\n".join(opinion.warnings),
        seconds=opinion.seconds,
    )
