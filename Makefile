# A thin face: meson and ninja do the building. `make` alone says what there is.
.NOTPARALLEL:
.PHONY: help run build test ci install bench format clean

BUILD     := build
CLASSIFYD := $(BUILD)/server/classifyd
PYTHON    := /usr/bin/python3 # Debian's, which has pytest and torchvision

help: ## this list
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 18

run: ## install what is missing, build, serve on port 8080 (MODEL=resnet50 pulls its weights, PORT=9000)
	@deploy/install-deps run
	@test -f $(BUILD)/build.ninja || meson setup $(BUILD)
	@ninja -C $(BUILD) server/classifyd
	@case "$(MODEL)" in "" | demo | random:* | */* | *.pth | *.pt | *.safetensors) ;; \
	    *) $(CLASSIFYD) pull "$(MODEL)" ;; esac
	@$(CLASSIFYD) serve $(if $(MODEL),--model "$(MODEL)") $(if $(PORT),--port "$(PORT)")

build: ## install what is missing, build everything in build/
	@deploy/install-deps run
	@test -f $(BUILD)/build.ninja || meson setup $(BUILD)
	@ninja -C $(BUILD)

test: ## install what the tests need, build, run every functional test
	@deploy/install-deps test
	@test -f $(BUILD)/build.ninja || meson setup $(BUILD)
	@ninja -C $(BUILD)
	@$(PYTHON) tests/support/run_suites.py $(BUILD)

ci: ## sanitizers, fuzz corpora, analysers
	@deploy/install-deps ci
	@tests/support/ci.sh

install: build ## install the program, its man pages and its completion (DESTDIR is respected)
	@meson install -C $(BUILD) --no-rebuild

bench: build ## measure the engine, compare it with the runtimes that are installed, then the whole service at 1 to 64 clients
	@$(CLASSIFYD) bench --model random:resnet50
	@$(PYTHON) tests/bench/peers/compare.py --build $(BUILD)
	@$(PYTHON) tests/bench/service.py $(CLASSIFYD)

format: ## format every C file
	@$(PYTHON) tests/style/check_format.py --fix

clean: ## remove what was built
	rm -rf $(BUILD) build-asan build-tsan build-gcc build-clang
