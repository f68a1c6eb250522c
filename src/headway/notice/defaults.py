"""Who hears of what without any preference: who approves is asked, who owns is told.

From headway.yaml: `owner`, `gates.approval.by` and the channels under `alerts`. Called by
flows/notify for the service of a notice.
"""

from headway.model.service import Environment, Service
from headway.notice.plan import DEFAULT
from headway.notice.preference import KINDS, Party, Rule
from headway.notice.subject import TOPICS

NOBODY = "owner"


def owner(service: Service) -> str:
    """Who owns it; a service without an owner has one that is called so."""
    return service.owner or NOBODY


def rules(service: Service, environment: str, asked: tuple[str, ...] = ()) -> tuple[Rule, ...]:
    """The defaults for what happens to the service there; "": everywhere. `asked`: who must
    approve, if the notice says it; else whom headway.yaml names.
    """
    mine = owner(service)
    place = next((e for e in service.environments if e.name == environment), None)
    approvers = asked or _approvers(place, mine)
    loud = tuple(t.name for t in TOPICS if t.default == "owner")
    found = [Rule(DEFAULT, mine, loud)]
    found += [Rule(DEFAULT, a, ("approval",)) for a in approvers]
    if place is None or place.tier == "production":
        chat = tuple(t.name for t in TOPICS if t.default == "owner's chat")
        found.append(Rule(DEFAULT, mine, chat, chat=True))
    return tuple(found)


def instead(service: Service) -> tuple[Rule, ...]:
    """For an approval of which nobody who may give it can be told: the owner knows whom to ask."""
    return (Rule(DEFAULT, owner(service), ("approval",)),)


def party(service: Service, who: str) -> Party | None:
    """How the owner is reached if nobody said it: where the service's alerts go that can wait, else
    those that cannot. None for anybody else.
    """
    if who != owner(service):
        return None
    written = service.alerts.ticket or service.alerts.page
    known = tuple(c for c in written if c.partition("/")[0] in KINDS)
    return Party(who, known, origin="headway.yaml")


def _approvers(place: Environment | None, mine: str) -> tuple[str, ...]:
    """Who is named for the approval; where anybody may approve, the owner."""
    named = place.approval.by if place is not None and place.approval is not None else ()
    return named or (mine,)
