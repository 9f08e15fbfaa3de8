"""Find sources of a Dockerfile that the engine itself fetches from the host's network, outside of the build's rules.

Errs on the safe side: any line may begin an instruction, and both escape characters continue it. Only a line that
surely begins one can name a stage.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from generator.environment.dockerfile_lines import ambiguous_space, decided_lines, lines_of
from generator.shared.errors import EnvironmentSpecError

_FRONT_END = re.compile(r"(docker\.io/)?docker/dockerfile(:[\w.-]+)?(@sha256:[0-9a-f]{64})?")
_SYNTAX = re.compile(r"^[^\S\n]*(?:#|//)[^\S\n]*syntax[^\S\n]*=(.*)$", re.IGNORECASE | re.MULTILINE)
_COMMENT = re.compile(r"\s*(#|$)")
_ADD = re.compile(r"\s*(?:ONBUILD\s+)*ADD\s+(.*)", re.IGNORECASE | re.DOTALL)
_ARG = re.compile(r"\s*ARG\s+(.*)", re.IGNORECASE | re.DOTALL)
_FROM = re.compile(
    r"\s*FROM\s+(?:--[a-z-]+=(?:[^\s\\`\"']|\"[^\s\\`\"]*\"|'[^\s\\`']*')*\s+)*"
    r"(?!-)(\S+)(?:\s+AS\s+(\S+))?\s*",
    re.IGNORECASE,
)
_FROM_FLAGS = re.compile(r"\s*FROM\s+((?:--\S+\s+)+)", re.IGNORECASE)
_OWN_PLATFORM = re.compile(r"\$(?:BUILDPLATFORM|TARGETPLATFORM|\{(?:BUILD|TARGET)PLATFORM\})")
"""Variables with the platform of the engine, unless an ARG has another default for them."""
_FROM_WITH_FLAG = re.compile(r"\s*FROM\s+-", re.IGNORECASE)
_GIVEN = re.compile(
    r"NB_USER|NB_UID|REPO_DIR|SOURCE_DATE_EPOCH|BUILDKIT_\w+"
    r"|(?:BUILD|TARGET)(?:PLATFORM|OS|OSVERSION|ARCH|VARIANT|STAGE)|(?:[A-Z]+_PROXY|[a-z]+_proxy)"
)
"""ARGs to which a build gives values of its own, in place of their defaults."""
_FLAGGED = re.compile(r"\s*(?:ONBUILD\s+)*(?:COPY|ADD|RUN)\s+(?=--)(.*)", re.IGNORECASE | re.DOTALL)
_IMAGE_FLAG = re.compile(r"(?:^|[\s,])(?:--)?from\s*=([^\s,]*)", re.IGNORECASE)
_REFERENCE = re.compile(r"[\w./:@-]+")
_FLAG = re.compile(r"--[a-z-]+(=\S*)?\s+")
_CONTINUES = re.compile(r"[\\`][ \t]*$")
_MOST_LINES = 30
"""Maximum number of lines that are read of an instruction; usual ADD, ARG and FROM have one or two."""
_MOST_CHARACTERS = 256 * 1024


def engine_sources(text: str) -> tuple[str, ...]:
    """List the lines by which the engine may fetch from an address itself, including those with variables.

    Raises:
        EnvironmentSpecError: the text is over the size limit, or has characters that only some programs read as spaces
            or line ends.
    """
    if len(text) > _MOST_CHARACTERS:
        raise EnvironmentSpecError(f"Dockerfile: longer than {_MOST_CHARACTERS} characters; make it shorter")
    if ambiguous := ambiguous_space.search(text):
        number = text.count("\n", 0, ambiguous.start()) + 1
        raise EnvironmentSpecError(
            f"Dockerfile: line {number}: has the control character U+{ord(ambiguous[0]):04X}, which programs read "
            "differently; remove it, and end lines as Linux or Windows does"
        )
    plain = text.lstrip("\ufeff")
    syntax = [line[0].strip() for line in _SYNTAX.finditer(plain) if not _FRONT_END.fullmatch(line[1].strip())]
    # BuildKit reads JSON with the key "syntax" after a line "#!"; no instruction begins with a brace
    first = next((line.strip() for line in lines_of(plain) if not _COMMENT.match(line)), "")
    json_syntax = ["{"] if first.startswith("{") else []
    adds = [line for line in _instructions(text) if (add := _ADD.fullmatch(line)) and _may_be_remote(add[1])]
    endless = [line for line in _instructions(text) if line.endswith("\\") and _may_name_source(line)]
    return tuple(dict.fromkeys((*syntax, *json_syntax, *(" ".join(line.split()) for line in (*adds, *endless)))))


def base_images(text: str) -> tuple[str, ...]:
    """List the images that a build pulls: its bases, with ARG defaults filled in, and those that it copies from.

    Raises:
        EnvironmentSpecError: the name of an image is unknown before the build, or may be that of a stage.
    """
    defaults, found = _defaults(text), list[str]()
    stages, undecided = {"scratch"}, set[str]()
    first, decided = decided_lines(text)
    for number, line in _numbered_instructions(text):
        for source in _list_copy_sources(line):
            if not _REFERENCE.fullmatch(source):
                raise EnvironmentSpecError(f"Dockerfile: {' '.join(line.split())}: name the image or the stage plainly")
            if source.lower() not in stages and not source.isdecimal():
                _require_decided(source, undecided, line)
                found.append(source)
        named = _FROM.fullmatch(line)
        if named or _FROM_WITH_FLAG.match(line):  # a flag that is not understood may have the image in it, or behind it
            reference = _filled_in(named[1], defaults) if named else ""
            if not _REFERENCE.fullmatch(reference):
                raise EnvironmentSpecError(
                    f"Dockerfile: {' '.join(line.split())}: the base image is unknown before the build; "
                    "give it by name, or its variables one plain default"
                )
            if reference.lower() not in stages:
                _require_decided(reference, undecided, line)
                found.append(reference)
            # a name with other characters could also be an image
            name = {named[2].lower()} if named and re.fullmatch(r"[\w.-]+", named[2] or "") else set()
            stages |= name if number in first else set()
            undecided |= name if number >= decided else set()
    return tuple(dict.fromkeys(found))


def flagged_platforms(text: str) -> Mapping[str, str]:
    """Map the FROM lines with flags to the platform that they name; empty for what may be any.

    Lines whose platform is that of the engine by a variable are omitted.
    """
    is_own = _OWN_PLATFORM.fullmatch if not _sets_platform(text) else lambda _: None
    found = {}
    for line in _instructions(text):
        if flagged := _FROM_FLAGS.match(line):
            flags = [re.sub(r"['\"]", "", flag) for flag in flagged[1].split()]
            name, _, platform = flags[0].partition("=")
            is_plain = len(flags) == 1 and name == "--platform"
            if not (is_plain and is_own(platform)):
                found[" ".join(line.split())] = platform if is_plain else ""
    return found


def _sets_platform(text: str) -> bool:
    """Return whether an ARG may have a default in place of the engine's own platform."""
    words = [word for line in _instructions(text) if (found := _ARG.fullmatch(line)) for word in found[1].split()]
    return any(re.sub(r"['\"\\`]", "", word).startswith(("BUILDPLATFORM=", "TARGETPLATFORM=")) for word in words)


def _require_decided(name: str, undecided: set[str], line: str) -> None:
    """Refuse a name that is a stage or an image, depending on how a line above it is read.

    Raises:
        EnvironmentSpecError: the name is undecided.
    """
    if name.lower() in undecided:
        raise EnvironmentSpecError(
            f"Dockerfile: {' '.join(line.split())}: {name} may be a stage or an image; above the stage, write "
            "heredocs as in 'RUN <<EOF' without quotes and variables, end no line with two escape characters, "
            "and omit '# escape='"
        )


def _list_copy_sources(line: str) -> list[str]:
    """List the stages and images that ``COPY --from`` and ``RUN --mount`` name."""
    flagged = _FLAGGED.fullmatch(line)
    if not flagged:
        return []
    leading = re.match(r"(?:--\S+\s*)+", flagged[1])
    flags = leading[0] if leading else ""
    if set(flags) & set("\\\"'`"):  # quotes and escapes can hide an address, or continue a flag after a space
        flags = re.sub(r"[\\\"'`]", "", flagged[1])
    return _IMAGE_FLAG.findall(flags)


def _filled_in(reference: str, defaults: Mapping[str, str]) -> str:
    """Return the name of an image with the defaults of its variables; an unknown one leaves a ``$``."""
    return re.sub(r"\$(?:\{(\w+)\}|(\w+))", lambda one: defaults.get(one[1] or one[2], "$"), reference)


def _defaults(text: str) -> Mapping[str, str]:
    """Map each ARG with exactly one default to it; empty if a quoted name may hide another default.

    ARGs that a build gives values of its own have none.
    """
    given: dict[str, set[str]] = {}
    for line in _instructions(text):
        for word in found[1].split() if (found := _ARG.fullmatch(line)) else ():
            name, equals, value = word.partition("=")
            if equals and set(name) & set("'\"\\"):
                return {}
            if equals:
                given.setdefault(name, set()).add(re.sub(r"^(['\"])(.*)\1$", r"\2", value))
    return {name: values.pop() for name, values in given.items() if len(values) == 1 and not _GIVEN.fullmatch(name)}


def _may_name_source(line: str) -> bool:
    """Return whether a truncated instruction may be one of those that name a source."""
    first = line.rstrip("\\").split()[:1]
    if any(keyword.startswith(word.lower()) for word in first for keyword in ("add", "arg", "from", "onbuild")):
        return True
    return re.fullmatch(r"\s*(?:c|co|cop|copy|r|ru|run)(?:\s+--\S*)*\s*\\", line, re.IGNORECASE) is not None


def _may_be_remote(words: str) -> bool:
    """Return whether an ADD may name an address: a colon, or characters that can hide it."""
    while flag := _FLAG.match(words):
        words = words[flag.end() :]
    return bool(re.search(r"[:$\\`@]|github\.com/", words, re.IGNORECASE))


def _instructions(text: str) -> Iterator[str]:
    """Yield every line that may begin an ADD, ARG, COPY, FROM, ONBUILD or RUN, with its continuation lines."""
    return (line for _, line in _numbered_instructions(text))


def _numbered_instructions(text: str) -> Iterator[tuple[int, str]]:
    """Yield what `_instructions` does, with the number of its first line in the Dockerfile."""
    lines = [(number, line) for number, line in enumerate(lines_of(text)) if not _COMMENT.match(line)]
    parts = [(_CONTINUES.sub("", line), _CONTINUES.search(line) is not None) for _, line in lines]
    for index, (part, _) in enumerate(parts):
        if part.lstrip()[:1].lower() in ("a", "c", "f", "o", "r"):
            yield lines[index][0], _join(parts[index : index + _MOST_LINES])


def _join(parts: list[tuple[str, bool]]) -> str:
    """Join an instruction's lines; an instruction with too many lines ends with an escape character."""
    end = next((number for number, (_, goes_on) in enumerate(parts, start=1) if not goes_on), 0)
    words = "".join(part for part, _ in parts[: end or len(parts)])
    return words if end or len(parts) < _MOST_LINES else f"{words}\\"
