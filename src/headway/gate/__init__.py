"""Gates: may this release enter that environment? Pure."""
