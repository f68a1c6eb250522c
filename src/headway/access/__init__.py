"""Who may do what: roles, permissions and grants, decided without I/O."""
