"""`headway template`: shared workflows of central repositories, who uses them, who drifted."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from headway.cli.context import Context, pass_context
from headway.cli.options import Noun
from headway.model.errors import Invalid
from headway.wording.text import columns, marked, plain

if TYPE_CHECKING:
    from headway.flows.templates import Drift, Repository, Survey, Usage
    from headway.pipeline.template.drift import Difference

DRIFTED = 1
MOST_SHOWN = 20


@click.group(
    cls=Noun,
    examples=("headway template list", "headway template check ../shop ../web --strict"),
)
def template() -> None:
    """Shared workflows, and who drifted from them.

    A template is a workflow with `workflow_call` of a central repository. REPO is a folder; without
    any all repositories that this home hosts are looked at, at their newest commit.
    """


@template.verb("headway template list", "headway template list ../templates ../shop", name="list")
@click.argument("repos", nargs=-1, metavar="[REPO...]", type=click.Path(path_type=Path))
@click.option("--of", "central", multiple=True, metavar="NAME", help="Only this one's templates.")
@pass_context
def listing(context: Context, repos: tuple[Path, ...], central: tuple[str, ...]) -> None:
    """Which repository calls which template, at which version."""
    found = _survey(context, repos, central)
    if context.json:
        context.document({"templates": found.templates, "items": found.usages})
        return
    head = ("TEMPLATE", "VERSION", "STATE", "WHERE")
    rows = [
        (
            plain(u.template, 120),
            plain(u.ref, 60),
            u.state,
            f"{plain(u.repository, 80)}/{plain(u.file, 120)}:{u.line}",
        )
        for u in found.usages
    ]
    context.lines(columns([head, *rows]) if rows else ["Nobody calls a template."])


@template.verb("headway template check", "headway template check ../templates ../shop --strict")
@click.argument("repos", nargs=-1, metavar="[REPO...]", type=click.Path(path_type=Path))
@click.option("--of", "central", multiple=True, metavar="NAME", help="Only this one's templates.")
@click.option("--strict", is_flag=True, help="End with 1 if anybody drifted.")
@pass_context
def check(
    context: Context, repos: tuple[Path, ...], central: tuple[str, ...], *, strict: bool
) -> int:
    """Who uses an old version of a template, and who copied one and changed it, line by line.

    An exact copy is told too, but is no drift. Where a template takes an input, a copy may say
    anything.
    """
    found = _survey(context, repos, central)
    late = [u for u in found.usages if u.state != "current"]
    drifted = [d for d in found.drifts if any(c.differences for c in d.copies)]
    if context.json:
        context.document({"drifted": bool(late or drifted), **_fields(found)})
    else:
        context.lines(_told(found, late))
    return DRIFTED if strict and (late or drifted or found.unread) else 0


def _fields(found: "Survey") -> dict[str, object]:
    unread = [{"file": file, "why": why} for file, why in found.unread]
    return {
        "templates": found.templates,
        "usages": found.usages,
        "drifts": found.drifts,
        "unread": unread,
    }


def _survey(context: Context, repos: tuple[Path, ...], central: tuple[str, ...]) -> "Survey":
    from headway import workbench  # noqa: PLC0415
    from headway.adapters.git.repositories import GitRepositories  # noqa: PLC0415
    from headway.flows import templates  # noqa: PLC0415

    found = tuple(_given(repos)) if repos else tuple(_hosted(context))
    if not found:
        raise Invalid(
            "no repository is known",
            next="headway template check ../templates ../shop",
            code="unknown-repository",
        )
    names = {r.name for r in found}
    if unknown := [one for one in central if one not in names]:
        raise Invalid(
            f"`{unknown[0][:80]}` is none of the repositories",
            why=f"they are {', '.join(sorted(names))}",
            code="unknown-repository",
        )
    source = workbench.load("headway.source_hosts", "git")()
    reading = templates.Reading(source, GitRepositories(context.home_folder))
    return templates.survey(reading, found, central)


def _given(repos: tuple[Path, ...]) -> "list[Repository]":
    from headway.cli.repository import top_level  # noqa: PLC0415
    from headway.flows.templates import Repository  # noqa: PLC0415

    tops = dict.fromkeys(top_level(str(repo)) for repo in repos)
    return [Repository(Path(top).name.removesuffix(".git"), top) for top in tops]


def _hosted(context: Context) -> "list[Repository]":
    from headway.flows.templates import Repository  # noqa: PLC0415

    found = sorted((context.home_folder / "git").glob("*.git"))
    return [Repository(place.name.removesuffix(".git"), str(place)) for place in found]


def _told(found: "Survey", late: "list[Usage]") -> list[str]:
    told = [
        f"{marked('failed')}  {plain(file, 200)}: {plain(why, 300)}" for file, why in found.unread
    ]
    for one in late:
        where = f"{plain(one.repository, 80)}/{plain(one.file, 120)}:{one.line}"
        uses = f"{plain(one.template, 120)}@{plain(one.ref, 60)}"
        told.append(f"{where}: job `{plain(one.job, 80)}` uses {uses}, {one.state}")
        told.append(f"  {plain(one.because, 300)}")
    for drift in found.drifts:
        told += _drift(drift)
    current = len(found.usages) - len(late)
    counts = f"{len(found.templates)} templates, {current} current uses, {len(late)} old ones"
    changed = sum(any(c.differences for c in d.copies) for d in found.drifts)
    return [*told, f"{counts}, {changed} changed copies"]


def _drift(one: "Drift") -> list[str]:
    told = []
    for copy in one.copies:
        where = f"{plain(one.repository, 80)}/{plain(one.file, 120)}"
        of = f"job `{plain(copy.of, 80)}` of {plain(one.template, 120)}"
        if not copy.differences:
            told.append(f"{where}:{copy.line}: job `{plain(copy.job, 80)}` is a copy of {of}")
            continue
        told.append(f"{where}:{copy.line}: job `{plain(copy.job, 80)}` is a changed copy of {of}")
        told += [f"  {where}:{d.line}: {_words(d)}" for d in copy.differences[:MOST_SHOWN]]
        if len(copy.differences) > MOST_SHOWN:
            told.append(f"  … {len(copy.differences) - MOST_SHOWN} more")
    return told


def _words(one: "Difference") -> str:
    said = f"{one.kind} {plain(one.what, 200)}"
    if one.kind == "changed":
        return f"{said}: {_short(one.expected)} became {_short(one.got)}"
    value = one.expected or one.got
    return f"{said}: {_short(value)}" if value else said


def _short(text: str) -> str:
    line = plain(" ".join(text.split()), 100)
    return f"`{line}`"
