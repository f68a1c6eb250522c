"""What Headway asks of the world: one Protocol per file, one to five methods each."""
