.PHONY: help lint test e2e test-all fuzz load crash regenerate bench check audit sbom lock

# A kernel that nobody sits in front of: no debugger, no completion.
NO_RUN_NEEDS = debugpy jedi parso
# Packages of the runner, for the layer of formats.
IN_RUNNER = certifi packaging pyyaml
NO_TEST_NEEDS = babel debugpy ipywidgets jupyter jupyter-builder jupyter-console jupyter-lsp jupyter-server-terminals jupyterlab \
	jupyterlab-pygments jupyterlab-server jupyterlab-widgets notebook notebook-shim widgetsnbextension
COMPILE = ../../../.venv/bin/uv pip compile -q --universal --generate-hashes --no-header --no-annotate

help: ## list these entry points
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/'

environment:
	@scripts/virtual-environment --dev

lint: environment ## style, types, architecture, shell, spelling
	@PATH="$(CURDIR)/.venv/bin:$$PATH" scripts/lint

test: environment ## the quick tests, without an engine
	.venv/bin/pytest --numprocesses=auto -m "not engine and not slow"

e2e: environment ## the tests that build and run images
	.venv/bin/pytest --numprocesses=auto -m engine

test-all: environment ## every test, with variants that cost minutes and differ little from others
	.venv/bin/pytest --numprocesses=auto --exhaustive

fuzz: environment ## many more notebooks and requests that nobody would write
	PACKMILL_FUZZ_EXAMPLES=20000 .venv/bin/pytest --numprocesses=auto tests/security

load: environment ## 500 triggers from 20 clients and 500 served runs, all kept
	.venv/bin/python tests/bench/load.py

crash: environment ## kill -9 and loss of power at 50 random moments of each kind of work, and a full disk at each write of a build
	.venv/bin/pytest -s --trials 50 --every-write tests/security/crashes tests/e2e/test_map_crashes.py

regenerate: environment ## write what is there now into the expected files; then read the diff
	.venv/bin/pytest --regenerate tests/notebook/test_interface.py tests/build/test_refusals.py tests/build/test_terminal_session.py tests/documents/test_packages.py tests/test_docs.py tests/test_platforms.py

bench: environment ## the figures of docs/performance.md
	.venv/bin/python tests/bench/figures.py
	.venv/bin/python tests/bench/runner.py
	.venv/bin/python tests/bench/serving.py
	.venv/bin/python tests/bench/gateway.py
	.venv/bin/python tests/bench/map.py
	.venv/bin/python tests/bench/map_toil.py
	.venv/bin/python tests/bench/service.py
	.venv/bin/python tests/bench/service_pages.py
	.venv/bin/python tests/bench/staging.py
	.venv/bin/python tests/bench/images.py

check: ## everything, as CI runs it
	./test.sh

audit: environment ## look up the locked packages in a database of vulnerabilities
	PATH="$(CURDIR)/.venv/bin:$$PATH" scripts/audit

sbom: environment ## write the bill of materials of packmill itself, dist/packmill.cdx.json
	@mkdir -p dist
	.venv/bin/python scripts/sbom > dist/packmill.cdx.json

lock: environment ## resolve the dependencies anew
	.venv/bin/uv pip compile -q --universal --generate-hashes --python-version 3.10 --no-header --no-annotate --group build pyproject.toml -o requirements.lock
	.venv/bin/uv pip compile -q --universal --generate-hashes --python-version 3.10 --no-header --no-annotate --group dev -c requirements.lock -o requirements-dev.lock
	cd templates/image/runner && $(COMPILE) --python-version 3.10 runner.in -o runner.txt
	cd templates/image/runner && $(COMPILE) --python-version 3.10 -c runner.txt staging.in -o staging.txt
	cd templates/image/formats && $(COMPILE) --python-version 3.10 -c ../runner/runner.txt -c ../runner/staging.txt $(addprefix --no-emit-package ,$(IN_RUNNER)) formats.in -o formats.txt
	cd templates/image/runner && $(COMPILE) --python-version 3.10 -c runner.txt server.in -o server.txt
	cd templates/image/runner && $(COMPILE) --python-version 3.10 -c runner.txt -c server.txt gateway.in -o gateway.txt
	cd templates/image/runner && $(COMPILE) --python-version 3.9 $(addprefix --no-emit-package ,$(NO_RUN_NEEDS)) --overrides kernel-overrides.in kernel.in -o kernel.txt
	cd tests/helpers/kernels && $(COMPILE) --python-version 3.11 $(addprefix --no-emit-package ,$(NO_TEST_NEEDS)) requirements.in -o requirements.txt
	cd tests/helpers/formats && $(COMPILE) --python-version 3.11 -c ../../../templates/image/formats/formats.txt --no-emit-package pyogrio requirements.in -o requirements.txt
	cd tests/helpers/airflow && $(COMPILE) --python-version 3.11 $(addprefix --no-emit-package ,$(NO_RUN_NEEDS)) requirements.in -o requirements.txt
	cd tests/helpers/validators && $(COMPILE) --python-version 3.10 requirements.in -o requirements.txt
	cd tests/helpers/kernels && npm install --package-lock-only --silent --omit-lockfile-registry-resolved
