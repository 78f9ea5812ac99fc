# Targets for people who build or try the daemon. `make help` lists them.

.DEFAULT_GOAL := help

VERSION := $(shell git describe --tags --always --dirty 2>/dev/null)

##@ Use

.PHONY: build
build: ## build bin/zarafa-presence
	go build -trimpath -ldflags '$(if $(VERSION),-X main.release=$(VERSION))' -o bin/zarafa-presence ./cmd/zarafa-presence

.PHONY: run
run: build ## build and start the daemon with a secret of its own, and print what to try (ARGS= adds flags)
	@exec bin/zarafa-presence serve --quickstart run $(ARGS)

.PHONY: help
help: ## list the targets
	@awk 'BEGIN {FS = ":.*## "} /^##@/ {printf "\n%s\n", substr($$0, 5)} /^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
