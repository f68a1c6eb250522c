"""The command `headway`: finds the nouns when they are needed, turns errors into exit codes.

A command's module is imported when it is called; a module that does not exist is not listed.
"""

import contextlib
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import click

from headway.cli import errors
from headway.cli.context import Context
from headway.cli.options import HELP, equip, write_examples, write_options
from headway.model.errors import HeadwayError

# name -> (module:command, its one line of help: what the command itself says first)
DAILY = {
    "init": ("headway.cli.init:init", "Write a first headway.yaml and workflow."),
    "plan": ("headway.cli.plan:plan", "Show what would happen to a commit, and why."),
    "deliver": ("headway.cli.deliver:deliver", "Deliver a commit and follow it."),
    "run": ("headway.cli.run:run", "Run a workflow of this repository on this machine."),
    "status": ("headway.cli.status:status", "Show what runs where, since when, and what waits."),
    "approve": ("headway.cli.approve:approve", "Approve a release for an environment."),
    "reject": ("headway.cli.approve:reject", "Reject a release for an environment."),
    "rollback": ("headway.cli.rollback:rollback", "Go back to the last known good release."),
    "trace": ("headway.cli.trace:trace", "Tell the whole story of a commit, digest or release."),
    "verify": ("headway.cli.verify:verify", "Check signature, provenance and attestations."),
    "logs": ("headway.cli.logs:logs", "Show what a service's instances wrote."),
    "events": ("headway.cli.events:events", "Print the event log as JSON lines."),
    "doctor": ("headway.cli.doctor:doctor", "Check what Headway needs, each with a fix."),
    "demo": ("headway.demo.command:demo", "Show the whole story on this machine."),
}
NOUNS = {
    "remote": ("headway.cli.remote:remote", "Point a repository at the server."),
    "server": ("headway.cli.server:server", "Run the server."),
    "worker": ("headway.cli.worker:worker", "Take jobs of a pool and run them on this machine."),
    "vars": ("headway.cli.vars:vars", "Values of `vars` that workflows read; nothing secret."),
    "pool": ("headway.cli.pool:pool", "Workers by name: who runs what, who waits."),
    "config": ("headway.cli.config:config", "Read headway.yaml: check it, show what it means."),
    "pipeline": ("headway.cli.pipeline:pipeline", "Runs of workflows, and what came of them."),
    "delivery": ("headway.cli.delivery:delivery", "One commit's journey along the path."),
    "release": ("headway.cli.release:release", "An artifact with its configuration, numbered."),
    "train": ("headway.cli.train:train", "Releases that wait for a departure and leave together."),
    "rollout": ("headway.cli.rollout:rollout", "Moving users to a release, step by step."),
    "line": ("headway.cli.line:line", "Hold every rollout now, or let them go on."),
    "artifact": ("headway.cli.artifact:artifact", "What was built, known by its digest."),
    "env": ("headway.cli.env:env", "The places where services run."),
    "alert": ("headway.cli.alert:alert", "Something that a person must know about."),
    "notify": ("headway.cli.notify:notify", "Who hears of what, by which channel, when."),
    "connection": (
        "headway.cli.connection:connection",
        "Outside systems by name: channels of alerts, sources of metrics, forges and registries.",
    ),
    "user": ("headway.cli.user:user", "People and programs that log in, and what they may."),
    "team": ("headway.cli.team:team", "People with the same work, and what they may together."),
    "token": ("headway.cli.token:token", "Passwords of programs: made, shown once, revoked."),
    "role": ("headway.cli.role:role", "What each role may."),
    "webhook": ("headway.cli.webhook:webhook", "Other systems that our events are sent to."),
    "slo": ("headway.cli.slo:slo", "Goals for users, and what is left of their error budgets."),
    "metric": ("headway.cli.metric:metric", "What is measured, kept, dropped and changed."),
    "workflow": ("headway.cli.workflow:workflow", "Workflow files and the language in them."),
    "template": ("headway.cli.template:template", "Shared workflows, and who drifted from them."),
    "contract": ("headway.cli.contract:contract", "What consumers need of a provider, replayed."),
    "test": ("headway.cli.test:test", "What tests did: flaky ones, slow ones, shards."),
    "backup": ("headway.cli.backup:backup", "Copy the whole installation into one file."),
    "restore": ("headway.cli.restore:restore", "Make a home of a backup; it is held at first."),
    "db": ("headway.cli.db:db", "The database: move everything to another one."),
    "prune": ("headway.cli.prune:prune", "Take away what is old: workspaces, logs, artifacts."),
    "judge": ("headway.cli.judge:judge", "Judge windows read as JSON lines."),
    "completion": ("headway.cli.completion:completion", "Print a completion script for a shell."),
}
# programs call these; people do not need to see them
HIDDEN = {
    "credential": ("headway.cli.remote:credential", "Answer git's question for the password.")
}
EXAMPLES = ("headway deliver", "headway status", "headway trace HEAD_SHA", "headway demo")


class Root(click.Group):
    """`headway`, its commands loaded when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Every command whose module exists, in the order of the tables."""
        return [name for name, (where, _) in (DAILY | NOUNS).items() if _exists(where)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command, imported now, with the common options."""
        where, _ = (DAILY | NOUNS | HIDDEN).get(cmd_name, ("", ""))
        if not where or not _exists(where):
            return None
        if cmd_name not in self.commands:
            module, _, attribute = where.partition(":")
            self.commands[cmd_name] = equip(getattr(import_module(module), attribute))
        return self.commands[cmd_name]

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Usage, examples, text, commands, options."""
        self.format_usage(ctx, formatter)
        write_examples(formatter, EXAMPLES)
        self.format_help_text(ctx, formatter)
        self.format_commands(ctx, formatter)
        write_options(self, ctx, formatter)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Two tables, without importing any command."""
        for heading, table in (("Daily", DAILY), ("Nouns", NOUNS)):
            rows = [(name, text) for name, (where, text) in table.items() if _exists(where)]
            with formatter.section(heading):
                formatter.write_dl(rows)

    def main(  # type: ignore[override]
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        *,
        standalone_mode: bool = True,
        **extra: Any,
    ) -> Any:
        """Run one command and leave with its exit code."""
        context = Context()
        given = sys.argv[1:] if args is None else list(args)
        context.json = "--json" in given
        code = self._run(context, given, "headway", extra)
        if standalone_mode:
            _leave(code, hard=context.hard_exit and args is None)
        return code

    def _run(self, context: Context, args: list[str], name: str, extra: dict[str, Any]) -> int:
        try:
            code = super().main(args, name, standalone_mode=False, obj=context, **extra)
        except click.UsageError as error:
            path = error.ctx.command_path if error.ctx else name
            return errors.usage(context, error.format_message(), path)
        except click.ClickException as error:
            return errors.usage(context, error.format_message(), name)
        except (click.Abort, KeyboardInterrupt):
            return errors.interrupted(context)
        except HeadwayError as error:
            return errors.tell(context, error)
        except BrokenPipeError:
            _close_stdout()
            return 1
        except Exception as error:  # noqa: BLE001  the outermost door: nothing is swallowed
            return errors.bug(context, error)
        return code if isinstance(code, int) else 0


def _exists(where: str) -> bool:
    module = where.partition(":")[0]
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:
        return False


def _close_stdout() -> None:
    """Nobody reads any more: the interpreter must not complain about it while it ends."""
    with contextlib.suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _leave(code: int, *, hard: bool) -> None:
    if hard:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)


@click.group(cls=Root, context_settings=HELP)
def main() -> None:
    """Deliver commits: build once, judge on live traffic, promote or roll back."""


equip(main)
