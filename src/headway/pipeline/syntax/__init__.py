"""What a workflow file and an action.yml say: read strictly into the intermediate form (ir)."""
