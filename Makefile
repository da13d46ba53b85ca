.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules --no-print-directory

# Parameters: make cluster NODES=5, make test TESTS="unit/storage e2e/takeover", make bench ARGS="--help"
NODES ?=
BROKER ?=
BUILDS ?=
REPORT ?=
JOBS ?=
TESTS ?=
TRANSFER_EVERY_MS ?=
ARGS ?=
SEEDS ?= 100
INPUTS ?= 20000
REPLAY ?=
BASE ?=
KILLS ?= 200
RETAINED ?= 1000000
CLIENTS ?= 10000
SESSIONS ?= 100000
ONLY ?=
TIME ?= 600
RATE ?=
NEMESIS ?=
WORKLOAD ?=
SEED ?=

# make test TESTS=conformance TRANSFER_EVERY_MS=1000: every cluster changes its leader once a second meanwhile
TRANSFERS = $(if $(TRANSFER_EVERY_MS),QUORATE_TEST_TRANSFER_EVERY_MS=$(TRANSFER_EVERY_MS))

BIN := node_modules/.bin
INSTALLED := node_modules/.stamp
BUILT := dist/.stamp
MANIFESTS := package.json package-lock.json $(wildcard packages/*/package.json) jepsen-style-tests/package.json
SOURCES := $(shell find packages jepsen-style-tests -name node_modules -prune -o -name dist -prune -o \
	\( -name '*.ts' -o -name '*.json' \) -type f -print) tsconfig.json tsconfig.base.json

.PHONY: help
help: ## This list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: cluster
cluster: $(BUILT) ## A cluster on loopback, MQTT on port 1883 and up; Ctrl-C stops it (NODES=3)
	@exec node packages/cli/bin/quorate.js dev --nodes $(or $(NODES),3)

.PHONY: test
test: $(BUILT) check ## Build, check and run every test (TESTS="part/of/path ..." runs some)
	@case "$(TESTS)" in ''|*node-red*|*interop*) sh scripts/node-red.sh ;; esac
	@$(TRANSFERS) QUORATE_TEST_BUILT=1 exec node --conditions=source --import tsx test/support/run.ts $(TESTS)

.PHONY: build
build: $(BUILT) ## Install what is missing and compile what has changed

.PHONY: check
check: $(BUILT) ## Types, lint and format; changes nothing
	@$(BIN)/tsc -b test
	@$(BIN)/eslint --cache --cache-location node_modules/.cache/eslint/ --max-warnings 0 .
	@$(BIN)/biome check --error-on-warnings .

.PHONY: fix
fix: $(INSTALLED) ## Format, and repair what lint can repair
	@$(BIN)/biome check --write .
	@$(BIN)/eslint --fix .

.PHONY: bench
bench: $(BUILT) ## Measure throughput and latency (ARGS="...")
	@exec node packages/bench/dist/main.js $(ARGS)

.PHONY: simulate
simulate: $(BUILT) ## Whole clusters under faults on virtual time (SEEDS=1000 BASE=0, ARGS="--seconds 60")
	@exec node packages/simulator/dist/main.js --seeds $(SEEDS) $(if $(BASE),--base $(BASE)) $(ARGS)

.PHONY: mutants
mutants: $(INSTALLED) ## Whether the simulator finds planted bugs (ONLY=part,of,names SEEDS=300 REPORT=FILE, which is gone on with)
	@exec node --conditions=source --import tsx test/mutants/main.ts $(if $(ONLY),--only $(ONLY)) $(if $(REPORT),--report "$(REPORT)") \
		$(if $(filter-out file,$(origin SEEDS)),--seeds $(SEEDS)) $(ARGS)

.PHONY: conformance-mutants
conformance-mutants: $(BUILT) ## Whether every conformance test can fail: against planted bugs (ONLY=part,of,names ARGS=--few)
	@exec node --conditions=source --import tsx test/mutants/conformance/main.ts $(if $(ONLY),--only $(ONLY)) $(ARGS)

.PHONY: fuzz
fuzz: $(BUILT) ## Hostile bytes and packets against decoders, brokers and nodes (INPUTS=2000000 SEED=1, REPLAY=file)
	@exec node --conditions=source --import tsx test/fuzz/main.ts $(if $(REPLAY),--replay $(REPLAY),--inputs $(INPUTS) \
		$(if $(SEED),--seed $(SEED)) $(ARGS))

.PHONY: interop
interop: $(BUILT) ## Other people's clients and bridges against a cluster; says what has to be installed (TESTS="paho")
	@sh scripts/interop-programs.sh
	@sh scripts/node-red.sh
	@$(TRANSFERS) exec node --conditions=source --import tsx test/support/run.ts $(or $(TESTS),test/interop)

.PHONY: jepsen
jepsen: $(BUILT) ## A cluster under partitions, kills, bad disks and clocks, and a report (NODES=3 TIME=600 NEMESIS= WORKLOAD= SEED= REPORT=DIR)
	@exec node jepsen-style-tests/dist/main.js $(if $(NODES),--nodes $(NODES)) $(if $(BROKER),--broker $(BROKER)) --seconds $(TIME) $(if $(SEED),--seed $(SEED)) \
		$(if $(RATE),--rate $(RATE)) $(if $(NEMESIS),--nemesis "$(NEMESIS)") $(if $(WORKLOAD),--workload "$(WORKLOAD)") \
		$(if $(BUILDS),--builds "$(BUILDS)") $(if $(REPORT),--report "$(REPORT)") $(ARGS)

.PHONY: jepsen-matrix
jepsen-matrix: $(BUILT) ## Runs of each fault and each workload, and tables of them; two hours and more (REPORT=DIR BROKER= NODES= JOBS=1 ONLY=)
	@exec node jepsen-style-tests/dist/matrix-main.js --report "$(or $(REPORT),.tmp/jepsen/matrix)" $(if $(BROKER),--broker $(BROKER)) \
		$(if $(NODES),--nodes $(NODES)) $(if $(JOBS),--jobs $(JOBS)) $(if $(ONLY),--only "$(ONLY)") $(ARGS)

.PHONY: jepsen-mutants
jepsen-mutants: $(BUILT) ## Whether the partition tests find planted bugs in real processes; half an hour (ONLY=part,of,names)
	@exec node --conditions=source --import tsx test/mutants/partitions/main.ts $(if $(ONLY),--only $(ONLY)) $(ARGS)

.PHONY: crash-test
crash-test: $(BUILT) ## Real nodes killed at random moments under load, nothing may be lost (KILLS=200)
	@exec node --conditions=source --import tsx test/crash/kills.ts $(KILLS)

.PHONY: jepsen-harness-test
jepsen-harness-test: $(BUILT) ## Each fault of the partition tests once, and a plan of them; fifteen minutes (PARTITION_HARNESS_ONLY=part)
	@PARTITION_HARNESS=all exec node --conditions=source --import tsx test/e2e/partition-harness.test.ts
	@PARTITION_HARNESS=all PARTITION_HARNESS_NETWORK=proxies exec node --conditions=source --import tsx test/e2e/partition-harness.test.ts
	@PARTITION_HARNESS=all exec node --conditions=source --import tsx test/e2e/partition-others.test.ts

.PHONY: mass-events
mass-events: $(BUILT) ## What a whole fleet that connects, or comes back at once, costs (CLIENTS=10000)
	@CLIENTS=$(CLIENTS) exec node --conditions=source --import tsx test/crash/mass-events.ts

.PHONY: large-state
large-state: $(BUILT) ## Figures of three nodes with a large state (RETAINED=1000000 SESSIONS=100000)
	@RETAINED=$(RETAINED) SESSIONS=$(SESSIONS) exec node --conditions=source --import tsx test/crash/large-state.ts

.PHONY: clean
clean: ## Remove everything that make has made, the installed packages included
	@rm -rf dist packages/*/dist node_modules packages/*/node_modules .quorate .tmp

# The stamp is a copy of the lock file that was installed: a manifest that is merely newer installs nothing.
$(INSTALLED): $(MANIFESTS)
	@command -v node > /dev/null || { echo 'Quorate needs Node.js 20.15 or newer; node is not on the PATH' >&2; exit 1; }
	@command -v npm > /dev/null || { echo 'Quorate needs npm, which comes with Node.js; npm is not on the PATH' >&2; exit 1; }
	@node -e 'const [a, b] = process.versions.node.split(".").map(Number); process.exit(a > 20 || (a === 20 && b >= 15) ? 0 : 1)' \
		|| { echo "Quorate needs Node.js 20.15 or newer; this is $$(node --version)" >&2; exit 1; }
	@if cmp -s package-lock.json $@; then touch $@; else \
		echo 'npm ci' && npm ci --no-audit --no-fund && cp package-lock.json $@; fi

$(BUILT): $(INSTALLED) $(SOURCES)
	$(BIN)/tsc -b
	@mkdir -p $(@D) && touch $@
