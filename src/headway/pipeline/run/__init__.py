"""How a run goes: matrices, needs, conditions, which job is next, which result is still valid."""
