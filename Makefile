# What CI runs, under the same names. `make help` lists the targets.

CARGO ?= cargo
LISTEN ?= 127.0.0.1:8080
DATA ?= ./data

# `make ffmpeg` builds one that starts at once; where it was built, `make up` runs it.
SMALL_FFMPEG = $(wildcard .tools/ffmpeg/ffmpeg)

# Scripts that drive other queues by the same rules; not part of this repository.
PEERS ?= ../shared/peers

# The whole-system tests, in parts that take about as long: most of it they wait.
E2E_FLEETS = architecture compose templates up uploads expected media attacks chaos closed_loop
E2E_SERVERS = brokers campaign
E2E_AWS = release stacks emulated alarms
# Mostly waits for workers that leave, so several at a time.
E2E_LEAVING = scale_in
E2E = $(CARGO) test --workspace --test version

.PHONY: help up test units units-then-aws lint style licences docs e2e e2e-fleets e2e-servers e2e-aws model test-media chaos bench speed ffmpeg deps-run deps-test

help: ## List the targets.
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 14

up: deps-run ## Install what is missing, build, and start the whole fleet here.
	$(CARGO) build --release -p reelfleet
	$(if $(SMALL_FFMPEG),FFMPEG=$${FFMPEG:-$(CURDIR)/$(SMALL_FFMPEG)}) \
	./target/release/reelfleet up --data $(DATA) --listen $(LISTEN)

test: deps-test lint docs ## Install what the tests need, and run them all.
	$(CARGO) test --workspace --no-run
	$(MAKE) --jobs=3 --output-sync=target units-then-aws e2e-fleets e2e-servers

units: ## The tests of each crate by itself, servers included.
	$(CARGO) test --workspace --exclude reelfleet-e2e

# The tests of each crate are through long before the others.
units-then-aws: units
	$(MAKE) e2e-aws

# The whole workspace is named so that nothing is compiled anew with fewer features.
e2e: ## Real processes together. Each part runs one test at a time, and tells when it is over.
	$(E2E) $(E2E_FLEETS:%=--test %) $(E2E_SERVERS:%=--test %) $(E2E_AWS:%=--test %) $(E2E_LEAVING:%=--test %) --no-run
	$(MAKE) --jobs=3 --output-sync=target e2e-fleets e2e-servers e2e-aws

e2e-fleets:
	$(E2E) $(E2E_FLEETS:%=--test %) -- --test-threads=1

e2e-servers:
	$(E2E) $(E2E_SERVERS:%=--test %) -- --test-threads=1
	$(E2E) $(E2E_LEAVING:%=--test %) -- --test-threads=3

e2e-aws:
	$(E2E) $(E2E_AWS:%=--test %) -- --test-threads=1

lint: style licences ## Format, clippy, shell scripts of the deployment, licences and advisories.

style:
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets -- -D warnings
	./tools/install shellcheck:shellcheck
	cd aws-deployment && shellcheck -x deploy.sh release.sh instance/*.sh

licences:
	./tools/deny

docs: ## The reference, with warnings as errors.
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --workspace --no-deps

model: ## The model at larger sizes, thousands of storms by seeds (some minutes).
	$(CARGO) run --release -p reelfleet-model

test-media: deps-test ## Every file of ../shared/media through every profile, and hurt ones.
	$(CARGO) build --release -p reelfleet
	$(CARGO) test --release -p reelfleet-e2e --test media --test attacks -- --ignored --nocapture --test-threads=1

chaos: deps-test ## Campaigns of faults over every backend, over one fleet, and its scaling. More than an hour.
	$(CARGO) build --release -p reelfleet
	$(CARGO) test --release -p reelfleet-e2e --test chaos --test campaign --test scale_in --test closed_loop -- --ignored --nocapture --test-threads=1

bench: deps-test ffmpeg ## What the fleet costs next to bare ffmpeg, and its jobs next to other queues.
	$(CARGO) build --release --workspace --bins
	./target/release/bench $(CURDIR)/.tools/ffmpeg/ffmpeg
	$(MAKE) speed

speed: deps-test ## Jobs that do nothing, in one run with the queues of ../shared/peers.
	$(CARGO) build --release --workspace --bins
	@if [ -e $(PEERS)/run.py ]; then ./tools/install node:nodejs npm:npm && ./tools/speed $(PEERS) .tools/peers; \
	else echo "$(PEERS) is not there: nothing to compare with. target/release/reelfleet-speed measures by itself."; fi

ffmpeg: ## Build a small ffmpeg that starts at once, into .tools/ffmpeg (some minutes).
	./tools/ffmpeg .tools/ffmpeg

deps-run: ## ffmpeg and bubblewrap, if they are missing.
	./tools/install ffmpeg:ffmpeg bwrap:bubblewrap prlimit:util-linux

deps-test: deps-run ## What only the tests need: a browser, servers, an emulator of AWS.
	./tools/install chromium:chromium chromedriver:chromium-driver \
		/usr/lib/postgresql:postgresql redis-server:redis-server sqlite3:sqlite3 \
		/usr/sbin/rabbitmq-server:rabbitmq-server \
		patchelf:patchelf objcopy:binutils jq:jq curl:curl systemd-analyze:systemd
	./tools/aws-emulator
	./tools/aws-templates
	./tools/aws-alarms
