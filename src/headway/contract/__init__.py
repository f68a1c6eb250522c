"""Consumers' contracts: what a consumer asks of a provider and needs in the answer. Pure.

`reader` reads the files (the Pact format), `matching` compares an answer with what was recorded.
Called by store/contracts, flows/contracts and `headway contract`.
"""
