"""OpenID providers: who somebody is, as another server says it."""
