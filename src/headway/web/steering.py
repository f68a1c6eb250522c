"""What a person can tell a rollout, and what is asked before: from pause to abort.

Pure; pages/rollouts.py shows and sends it.
"""

from headway.api.problems import Missing
from headway.model.delivery import Verb
from headway.store.views.rollout import RolloutView
from headway.web import words
from headway.web.question import Question

VERBS: dict[str, Verb] = {
    "r-pause": "pause",
    "r-resume": "resume",
    "r-approve": "approve",
    "r-promote": "promote",
    "r-abort": "abort",
}


def questions(view: RolloutView, refused: str) -> list[Question]:
    """What makes sense now; nothing for a rollout that has ended."""
    if view.outcome:
        return []
    found = [_resume(view, refused) if view.paused or view.held else _pause(view, refused)]
    if view.approvals > len(view.granted):
        found.append(_approve(view, refused))
    return [*found, _promote(view, refused), _abort(view, refused)]


def question(view: RolloutView, verb: str, refused: str = "") -> Question:
    """The one of this verb. Raises Missing if there is no such verb."""
    made = {
        "pause": _pause,
        "resume": _resume,
        "approve": _approve,
        "promote": _promote,
        "abort": _abort,
    }
    if verb not in made:
        raise Missing(f"a rollout cannot be told to `{verb}`", code="unknown-name")
    ended = f"It has ended: {words.state(view.outcome).word.lower()}." if view.outcome else ""
    return made[verb](view, ended or refused)


def _pause(view: RolloutView, refused: str) -> Question:
    share = words.percent(view.share)
    return Question(
        id="r-pause",
        word="Pause",
        icon="pause",
        heading=f"Pause at {share}?",
        says=f"{view.release} keeps {share} of {view.environment} until somebody resumes. "
        "The judge goes on watching and still rolls back on a fail.",
        sure=f"Pause at {share}",
        action=f"/rollouts/{view.id}/pause",
        back=f"/rollouts/{view.id}",
        refused=refused,
    )


def _resume(view: RolloutView, refused: str) -> Question:
    return Question(
        id="r-resume",
        word="Resume",
        icon="play",
        heading=f"Resume {view.release}?",
        says=f"It goes on from {words.percent(view.share)} of {view.environment}. "
        "The next step comes when the judge passes it.",
        sure="Resume",
        keep="Leave it",
        action=f"/rollouts/{view.id}/resume",
        back=f"/rollouts/{view.id}",
        refused=refused,
    )


def _approve(view: RolloutView, refused: str) -> Question:
    return Question(
        id="r-approve",
        word="Approve the step",
        icon="pass",
        heading=f"Approve {words.percent(view.share)} of {view.release}?",
        says=f"{len(view.granted)} of {view.approvals} approvals are given. "
        "The rollout may leave this step when all are, and the judge passes it.",
        sure="Approve the step",
        keep="Not yet",
        action=f"/rollouts/{view.id}/approve",
        back=f"/rollouts/{view.id}",
        refused=refused,
    )


def _promote(view: RolloutView, refused: str) -> Question:
    following = view.steps[view.step + 1 : view.step + 2]
    goal = words.percent(following[0].share) if following else "released"
    proof = "" if _passes(view) else " The judge has not passed the present step."
    return Question(
        id="r-promote",
        word="Promote",
        icon="rollout",
        heading=f"Promote {view.release} to {goal} now?",
        says=f"The rest of this step is skipped.{proof} The audit trail says that you decided it.",
        sure=f"Promote to {goal}" if following else "Promote",
        keep="Keep the steps",
        action=f"/rollouts/{view.id}/promote",
        back=f"/rollouts/{view.id}",
        refused=refused,
    )


def _passes(view: RolloutView) -> bool:
    return 0 <= view.step < len(view.steps) and view.steps[view.step].outcome == "PASS"


def _abort(view: RolloutView, refused: str) -> Question:
    back = f"return to {view.stable}" if view.stable else "take it away"
    says = (
        f"Everyone moves back to {view.stable} within seconds."
        if view.stable
        else f"There is no earlier release in {view.environment}: nothing serves there then."
    )
    return Question(
        id="r-abort",
        word="Abort and roll back",
        icon="rollback",
        heading=f"Abort {view.release} and {back}?",
        says=f"{says} {view.release} is refused here until somebody clears it.",
        sure="Abort and roll back",
        keep=f"Keep {view.release}",
        action=f"/rollouts/{view.id}/abort",
        back=f"/rollouts/{view.id}",
        danger=True,
        refused=refused,
    )
