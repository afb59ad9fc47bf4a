# Every target makes what it needs: a fresh clone wants Python 3.11+, git and make, nothing else.
PYTHON ?= python3
unexport PYTHON # it makes the environment, and is not the one that has the packages
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
VERSITYGW_VERSION := v1.8.0
H2SPEC_VERSION := v2.2.1

.PHONY: help demo bench test test-slow check lint types imports conformance s3-server readers h2spec docs package audit sbom lock clean

help: ## show the targets
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 16

$(STAMP): requirements-dev.lock pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

.venv: $(STAMP)

demo: $(STAMP) ## sync real AWS data into S3 with the real CLI, and query it
	$(BIN)/python -m examples.demo

bench: $(STAMP) ## what a million rows cost, end to end and by stage (ARGS=--quick for less)
	$(BIN)/python -m benchmarks $(ARGS)

test: $(STAMP) ## every test but the slow ones
	$(BIN)/python -m pytest -m "not slow" -n 4 --dist loadfile --no-loadscope-reorder

test-slow: $(STAMP) ## the long ones: fuzzing, soak, large objects
	$(BIN)/python -m pytest -m slow --timeout 3600

check: lint types imports test ## everything a change must pass

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(STAMP)
	$(BIN)/mypy

imports: $(STAMP)
	$(BIN)/lint-imports

conformance: $(STAMP) ## compare with the reference's objects, where they are at hand
	$(BIN)/python ../shared/conformance/check.py --plugin $(BIN)/cloudquery-s3

s3-server: .tools/versitygw-$(VERSITYGW_VERSION) ## build the real S3 server that the store tests use (needs Go)

.tools/versitygw-$(VERSITYGW_VERSION):
	GOBIN=$(CURDIR)/.tools go install github.com/versity/versitygw/cmd/versitygw@$(VERSITYGW_VERSION)
	@touch $@

readers: $(STAMP) ## install what reads objects beside DuckDB, for tests of docs/loading.md (1.3 GB)
	$(BIN)/uv pip install --quiet --python $(BIN)/python --group readers

h2spec: .tools/h2spec-$(H2SPEC_VERSION) ## build what checks HTTP/2 against its RFCs (needs Go)

.tools/h2spec-$(H2SPEC_VERSION):
	GOBIN=$(CURDIR)/.tools go install github.com/summerwind/h2spec/cmd/h2spec@$(H2SPEC_VERSION)+incompatible
	@touch $@

LOCK := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header

lock: ## renew what is developed with (requirements-dev.lock) and what the image ships (requirements.lock)
	$(LOCK) --group dev pyproject.toml -o requirements-dev.lock
	$(LOCK) --constraints requirements-dev.lock pyproject.toml -o requirements.lock

docs: $(STAMP) ## build the documentation into site/, strictly
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

package: $(STAMP) ## build wheel and sdist into dist/
	rm -f dist/*.whl dist/*.tar.gz
	$(BIN)/python -m hatchling build -d dist

audit: $(STAMP) ## look for known vulnerabilities in both locks (asks a public database)
	$(BIN)/uv tool run 'pip-audit>=2.9,<3' --disable-pip --require-hashes -r requirements.lock -r requirements-dev.lock

sbom: $(STAMP) ## list what the image ships, as CycloneDX
	mkdir -p dist
	$(BIN)/uv tool run --from 'cyclonedx-bom>=7,<8' cyclonedx-py requirements requirements.lock -o dist/sbom.cdx.json

clean: ## remove all that make has made
	rm -rf $(VENV) .tools .demo dist site
