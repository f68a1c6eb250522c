"""What starts a workflow: events in one shape, filters, who is trusted, and when clocks strike.

Pure. Called by flows/trigger*, api/webhook and whoever reads workflow files (`glob.fault`,
`cron.fault`).
"""

from headway.pipeline.trigger.event import Ignored, TriggerEvent
from headway.pipeline.trigger.filters import Starts, starts
from headway.pipeline.trigger.trust import Definition, definition

__all__ = ["Definition", "Ignored", "Starts", "TriggerEvent", "definition", "starts"]
