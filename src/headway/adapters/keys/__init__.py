"""Keys in files: the default signer, with no other machine involved."""
