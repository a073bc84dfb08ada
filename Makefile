# Every target is one line of a shell or a script of hack/ that also runs alone.
# `make` without a target lists them.

SHELL := /bin/bash
.DEFAULT_GOAL := help
# Flags of `bin/sandbox up`, for example: make up UP='--nodes 5 --ip-family ipv6'
UP ?=
# Tag of the images that are built and installed.
TAG ?= dev
# The shards of tier 2; those without a test yet say so and pass.
SHARDS := test-faults test-underlay test-families test-vm test-takeover test-conformance

# One way to compile: images have to be made so to be reproducible, and linter,
# tests and sandbox then find their packages compiled.
export CGO_ENABLED := 0
export GOFLAGS := -trimpath -buildvcs=false

.PHONY: help up down demo build images test unit race lint verify generate bench test-all $(SHARDS)

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z][a-z $$()A-Z-]*:.*## / { printf "  make %-18s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

##@ Try it

up: build images ## a cluster of three nodes on this machine, with Hawser and a demonstration
	@bin/sandbox up $(UP)
	@bin/sandbox demo

down: ## take the cluster away, without a trace
	@[ ! -x bin/sandbox ] || bin/sandbox down

demo: ## who reaches whom in the cluster that is up
	@bin/sandbox demo

##@ Build

build: ## all programs, into bin/
	@mkdir -p bin
	@hack/stage.sh build go build -o bin/ ./cmd/... ./test/sandbox

images: ## container images as archives, into dist/
	@hack/stage.sh images go run ./images/build --out dist --tag $(TAG)

generate: ## write what is generated: deep copies, CRDs, OVSDB models, eBPF objects
	@hack/stage.sh generate go generate ./...
	@hack/stage.sh ebpf hack/ebpf.sh

##@ Test

test: ## tier 1: lint, verify, unit tests and one real cluster
	@hack/test.sh

unit: ## the part of tier 1 that needs no cluster
	@hack/stage.sh unit hack/unit.sh

race: ## all of unit under the race detector
	@hack/stage.sh race hack/unit.sh -race

lint: ## the house style (builds the pinned linter once)
	@hack/stage.sh lint hack/lint.sh

verify: ## that what is generated is what generators write
	@hack/stage.sh verify hack/verify.sh

test-faults: ## tier 2: every fault, with a ping running
test-underlay: ## tier 2: pods on the physical network, and a NIC that never notices
test-families: ## tier 2: IPv4 only and IPv6 only
test-vm: ## tier 2: node scenarios on a distribution's kernel
test-takeover: ## tier 2: a NIC that is taken over, and given back
test-conformance: ## tier 2: Kubernetes' own tests
$(SHARDS): test-%: build images
	@hack/stage.sh $* hack/tier.sh $*

test-all: ## both tiers; run again, it goes on where it failed
	@hack/test-all.sh

bench: ## measure; prints the table of docs/benchmarks.md
	@hack/stage.sh bench go test -run '^$$' -bench . -benchtime 1x -timeout 60m ./test/bench ./test/vm/node
