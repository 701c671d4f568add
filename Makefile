# Two commands for a newcomer: `make book` builds and opens nothing but says what to open; `make test` tests.
PORT ?= 8000
BIN := .venv/bin
unexport PYTHONDONTWRITEBYTECODE  # where it is set, each process compiles torch's sources anew: six seconds

.PHONY: book test coverage slow check site zip epub serve bench peers env lint clean playground

book: env  ## run every notebook (quick profile) and build the site from that run
	@$(BIN)/advbook run --profile quick
	@$(BIN)/advbook site --edition run

site: env  ## build the published edition from committed records alone
	@$(BIN)/advbook site

zip: site  ## the published edition as one file to read offline
	@cd _build && rm -f adversarial-examples-book.zip && \
	  ../$(BIN)/python -m zipfile -c adversarial-examples-book.zip site/ && echo "_build/adversarial-examples-book.zip"

epub: site  ## the published edition as an EPUB; its formulas need latex2mathml
	@$(BIN)/pip install --quiet "latex2mathml==3.81.1"
	@$(BIN)/python -m advbook.site.epub

serve:  ## show the built site on localhost
	@test -f _build/site/index.html || { echo "serve: no site yet; run make book or make site" >&2; exit 1; }
	@echo "http://127.0.0.1:$(PORT)/  (Ctrl-C stops)"
	@$(BIN)/python -m http.server --bind 127.0.0.1 --directory _build/site $(PORT)

test: env  ## the fast tests
	@$(BIN)/python -m pytest -q -n auto -m "not slow and not check and not browser"

coverage: env  ## the fast tests, and which statements of advutils and advbook they run
	@$(BIN)/python -m pytest -q -n auto -m "not slow and not check and not browser" \
	  --cov=advutils --cov=advbook --cov-report=term:skip-covered

check: env  ## what takes longer than CI should: every notebook twice in one kernel
	@$(BIN)/python -m pytest -q -m check

slow: env  ## the tests that need the real data; without it they are skipped
	@$(BIN)/python -m pytest -q -n auto --dist loadgroup -m slow

bench: env  ## the attacks beside other libraries, on embedded data; run it on an idle machine
	@$(BIN)/python -m benchmarks

peers: env  ## the other libraries of make bench that the lock does not have
	@$(BIN)/pip install --quiet --no-deps -r benchmarks/requirements.txt

playground:  ## the playground's script from book/playground/src; needs node and npm (the page needs neither)
	@mkdir -p _build/playground && cp book/playground/package.json _build/playground/
	@npm install --prefix _build/playground --no-package-lock --no-audit --no-fund --silent
	@NODE_PATH=_build/playground/node_modules node book/playground/build.cjs book/_static/playground/playground.js

lint: env  ## style, formatting and types
	@$(BIN)/ruff check . && $(BIN)/ruff format --check -q . && $(BIN)/mypy

env:
	@sh tools/env.sh

clean:  ## remove what can be made again; records and .venv stay
	rm -rf _build results/quick

environment.yml: requirements.lock  ## the same versions for conda and Binder
	@{ echo "name: adversarial-examples-book"; echo "channels: [conda-forge]"; echo "dependencies:"; \
	   echo "  - python=3.11"; echo "  - pip"; echo "  - pip:"; \
	   grep '==' requirements.lock | grep -v ';' | sed 's/ .*//; s/^/      - /'; echo "      - -e ."; } > $@
