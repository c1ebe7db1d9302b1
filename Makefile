# splashtail: build, run and test. `make run` and `make test` do all of their own set-up.
#
#   make            the daemons (clusterer, jobserver, webserver, sandbox and the splashtail command)
#   make buildbot   the bot
#   make website    the dashboard and the sandbox's page (needs Node 20)
#   make all        everything above
#   make clients    the libraries of strangers that the tests run (needs Python 3 with pip, Node 20)
#   make run        everything, then start it:  make run ARGS="--free-ports"
#   make test       `make check` and every test, with its own PostgreSQL, Redis and Chromium
#   make check      formatting, lints, types, licences and advisories
#   make bench      the figures of docs/benchmarks.md
#
# PROFILE=release builds optimised binaries.

PROFILE ?= dev
ARGS ?=
TARGET_DIR := $(or $(CARGO_TARGET_DIR),target)
BIN := $(TARGET_DIR)/$(if $(filter dev,$(PROFILE)),debug,$(PROFILE))

# Registries fail at times.
export CARGO_NET_RETRY ?= 10
export npm_config_fetch_retries ?= 5
export PIP_RETRIES ?= 10

.DEFAULT_GOAL := daemons
.DELETE_ON_ERROR:
.PHONY: daemons buildbot binaries website clients all run test format check bench clean

daemons:
	cargo build --locked --profile $(PROFILE) -p splashtail -p splashtail-clusterer -p splashtail-jobserver -p splashtail-proxy -p splashtail-webserver -p splashtail-sandbox

buildbot:
	cargo build --locked --profile $(PROFILE) -p splashtail-bot

website: website/build/index.html website/build-sandbox/index.html

website/node_modules/.package-lock.json: website/package.json website/package-lock.json
	cd website && npm ci --no-audit --no-fund
	@touch $@

WEBSITE_SOURCES := $(shell find website/src website/static website/sandbox -type f 2>/dev/null) $(wildcard docs/*.md) $(wildcard website/*.ts website/*.js website/*.json)

website/build/index.html: website/node_modules/.package-lock.json $(WEBSITE_SOURCES)
	cd website && npm run build:site
	@touch $@

website/build-sandbox/index.html: website/node_modules/.package-lock.json $(WEBSITE_SOURCES)
	cd website && npm run build:sandbox
	@touch $@

CLIENTS := crates/e2e/clients

PYTHON_CLIENTS := discord_py schemathesis

clients: $(PYTHON_CLIENTS:%=$(CLIENTS)/%/packages/.installed) $(CLIENTS)/discord_js/node_modules/.package-lock.json

$(CLIENTS)/%/packages/.installed: $(CLIENTS)/%/requirements.txt
	rm -rf $(@D)
	python3 -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes --target $(@D) -r $<
	@touch $@

$(CLIENTS)/discord_js/node_modules/.package-lock.json: $(CLIENTS)/discord_js/package.json $(CLIENTS)/discord_js/package-lock.json
	cd $(CLIENTS)/discord_js && npm ci --no-audit --no-fund
	@touch $@

# One build of everything: cargo would compile shared dependencies anew for another set of packages.
binaries:
	cargo build --locked --profile $(PROFILE) --workspace --bins

all: binaries website

run: all
	@exec $(BIN)/splashtail up $(ARGS)

test:
	@exec scripts/test

# In seconds, so `make test` begins with it.
format:
	cargo fmt --all --check

check: format website/node_modules/.package-lock.json
	cargo clippy --locked --workspace --all-targets -- -D warnings
	cd website && npm run check
	@if command -v cargo-deny >/dev/null; then cargo deny check; else echo "cargo-deny is not installed: licences and advisories were not checked (cargo install cargo-deny)"; fi

bench:
	@exec scripts/bench

clean:
	cargo clean
	rm -rf website/build website/build-sandbox website/node_modules website/.svelte-kit $(CLIENTS)/*/packages $(CLIENTS)/*/node_modules
