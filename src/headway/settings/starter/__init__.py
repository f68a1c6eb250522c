"""A first headway.yaml and workflow for what a folder holds.

`kits` recognises it, `render` writes the two texts. Called by cli/init, which writes the files.
"""

from headway.settings.starter.kits import Kit, recognise
from headway.settings.starter.render import WORKFLOW, Starter, render

__all__ = ["WORKFLOW", "Kit", "Starter", "recognise", "render"]
