.PHONY: vendor demo test soak lint e2e bench docs venv
.DEFAULT_GOAL := test

demo: venv        ## v1 goes live, v2 is promoted, v3 is caught and rolled back
	.venv/bin/headway demo $(ARGS)

test: venv        ## what a newcomer and CI run
	scripts/test

soak: venv        ## the long sweeps
	.venv/bin/pytest -m soak $(ARGS)

lint: venv
	scripts/lint

e2e: venv
	.venv/bin/pytest tests/e2e $(ARGS)

bench: venv       ## figures as JSON in bench/out
	scripts/bench $(ARGS)

docs: venv        ## write the generated reference pages
	scripts/docs

venv:
	@scripts/setup

vendor:           ## fetch scripts and styles of others, as written down
	@scripts/vendor
