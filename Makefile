# Targets for people who build, try or change the daemon. `make help` lists them.

.DEFAULT_GOAL := help

# 1.2.3 of the tag v1.2.3; 1.2.3+4.gabc1234 four commits later; without a tag 0~ and the time of the commit, so that every version is the
# newer one for dpkg and rpm, too.
VERSION := $(shell git describe --tags --match 'v*' --dirty=.dirty 2>/dev/null | sed 's/^v//; s/-/+/; s/-/./' | grep . \
	|| git log -1 --date=format:%Y%m%d%H%M%S --format=0~%cd.%h 2>/dev/null)

# Every target that needs Go begins with $(need_go), which ends make with one line if there is none or an older one.
go_wanted := $(shell sed -n 's/^go //p' go.mod)
go_found = $(filter go%,$(shell go env GOVERSION 2>/dev/null))
go_is_new = $(shell printf '%s\n' go$(go_wanted) $(or $(go_found),0) | sort -VC && echo yes)
need_go = $(if $(go_is_new),,$(error Go $(go_wanted) or newer is needed, and $(if $(go_found),this is $(go_found),there is none); get it from https://go.dev/dl/))

##@ Use

.PHONY: build
build: ## build bin/zarafa-presence as the packages have it: linked statically, with the time zones for machines without
	$(need_go)CGO_ENABLED=0 go build -trimpath -tags timetzdata -ldflags '-s -w $(if $(VERSION),-X github.com/zarafa/presence/daemon/command.release=$(VERSION))' -o $(PROGRAM) ./cmd/zarafa-presence

PROGRAM ?= bin/zarafa-presence

.PHONY: run
run: build ## build and start the daemon with its own secret, and print what to try (ARGS= adds flags)
	@exec bin/zarafa-presence serve --quickstart run $(ARGS)

.PHONY: demo
demo: build ## show the daemon at work: a dozen made-up colleagues on a real XMPP server, and the board (ARGS= adds flags, -help lists them)
	@scripts/install-test-packages prosody
	@go build -o bin/demo ./internal/demo
	@exec bin/demo $(ARGS)

.PHONY: manual
manual: ## write the manual pages and the completions of shells to bin/manual
	$(need_go)SOURCE_DATE_EPOCH=$${SOURCE_DATE_EPOCH:-$$(git log -1 --format=%ct)} go run ./daemon/internal/manual '$(VERSION)' $(MANUAL)

MANUAL ?= bin/manual

.PHONY: install
install: ## install what `make build manual` has made, as root (DESTDIR= puts a directory in front)
	scripts/install bin/zarafa-presence bin/manual "$(DESTDIR)"

.PHONY: help
help: ## list the targets
	@awk 'BEGIN {FS = ":.*## "} /^##@/ {printf "\n%s\n", substr($$0, 5)} /^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

##@ Develop

.PHONY: test
test: bin/golangci-lint ## install the packages that the tests need, and run every test with the race detector where possible
	$(need_go)scripts/install-test-packages
	go test -race -shuffle=on -timeout 30m ./...
	go test -shuffle=on $(WITHOUT_RACE)

# Packages with tests that count allocations: the race detector makes sync.Pool drop items, so these tests are not built with it.
WITHOUT_RACE = $(shell grep -rl --include='*_test.go' '^//go:build !race' . | xargs -n1 dirname | sort -u)

.PHONY: lint
lint: bin/golangci-lint ## check formatting, the import rules and everything else in .golangci.yml
	$(need_go)bin/golangci-lint run ./...

.PHONY: generate
generate: ## generate the mocks of the ports
	$(need_go)go generate ./...

.PHONY: bench
bench: ## measure everything that the documents quote, against references in the same run
	$(need_go)scripts/install-test-packages
	go test -run '^$$' -bench . -benchtime 1x -benchmem -timeout 30m $(BENCH)

BENCH ?= $(shell git grep -l '^func Benchmark' -- '*_test.go' | xargs -n1 dirname | sort -u | sed 's|^|./|')

.PHONY: chaos
chaos: ## kill the daemon KILLS times (100) under load, and check that no acknowledged update is lost
	$(need_go)CHAOS_KILLS=$(KILLS) go test -count 1 -run '^TestKill$$' -v -timeout 30m ./daemon/command

KILLS ?= 100

.PHONY: fuzz
fuzz: ## fuzz every parser for FUZZTIME each (10s)
	$(need_go)@set -e; git grep -o -E '^func Fuzz\w+' -- '*_test.go' | while IFS=: read -r file target; do \
		echo "$${target#func } in $$(dirname $$file)"; \
		go test -run '^$$' -fuzz "^$${target#func }\$$" -fuzztime $(FUZZTIME) "./$$(dirname $$file)"; \
	done

FUZZTIME ?= 10s

# These tools are built from the sources that tools/go.sum pins. They have their own module, so their dependencies are not the daemon's.
bin/golangci-lint: TOOL = github.com/golangci/golangci-lint/v2/cmd/golangci-lint
bin/nfpm: TOOL = github.com/goreleaser/nfpm/v2/cmd/nfpm
bin/cyclonedx-gomod: TOOL = github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod
bin/golangci-lint bin/nfpm bin/cyclonedx-gomod: tools/go.mod tools/go.sum
	$(need_go)cd tools && go build -o ../$@ $(TOOL)

##@ Release

.PHONY: release
release: ## make the tag of a version whose changes and date are in CHANGELOG.md: make release VERSION=1.2.3 (pushes nothing)
	@scripts/release '$(VERSION)'

.PHONY: package
package: bin/nfpm bin/cyclonedx-gomod ## make packages for Debian and RPM, programs, SBOMs and checksums, in dist/
	$(need_go)scripts/package '$(VERSION)'

.PHONY: image
image: package ## make the container images, in dist/ (with podman)
	PODMAN='$(PODMAN)' scripts/image '$(VERSION)'

PODMAN ?= podman

.PHONY: test-package
test-package: package ## install, use, upgrade, remove and purge the Debian package on a small Debian system, as root
	scripts/test-package

.PHONY: test-image
test-image: ## start, ask and stop the image in a container, as root; it needs no service of podman or docker
	scripts/install-test-packages podman runc
	storage=$$(mktemp -d); trap 'rm -rf "$$storage"' EXIT; \
		export PODMAN="podman --storage-driver vfs --root $$storage/root --runroot $$storage/run"; $(MAKE) image && scripts/test-image

.PHONY: clean
clean: ## remove what was built (but not run/, where make run keeps its secret)
	rm -rf bin dist
