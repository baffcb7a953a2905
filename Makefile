# Entry points for people, packagers and CI; cargo does the work.

PREFIX ?= /usr/local
DESTDIR ?=

CARGO ?= cargo
INSTALL ?= install

# Where cargo leaves the results.
CARGO_TARGET_DIR ?= target
RELEASE = $(CARGO_TARGET_DIR)/release
PROGRAM = $(RELEASE)/sandbox-patch
LAUNCHER = $(RELEASE)/sandboxify
LIBRARY = $(RELEASE)/libsandbox.so
INLINE = $(RELEASE)/sandbox-inline

BIN_DIR = $(DESTDIR)$(PREFIX)/bin
LIB_DIR = $(DESTDIR)$(PREFIX)/lib/sandbox-patch
POLICY_DIR = $(DESTDIR)$(PREFIX)/share/sandbox-patch/policies
POLICIES = $(wildcard src/policy/source/library/*.toml)
MAN_DIR = $(DESTDIR)$(PREFIX)/share/man/man1
BASH_DIR = $(DESTDIR)$(PREFIX)/share/bash-completion/completions
ZSH_DIR = $(DESTDIR)$(PREFIX)/share/zsh/site-functions
FISH_DIR = $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d

# The compilers and linkers that a link `sandbox-patch-NAME` stands for.
WRAPPERS = $(addprefix sandbox-patch-,cc c++ gcc g++ clang clang++ ld)

# What `make static` leaves, to be installed by `make install RELEASE=…/static`.
STATIC = $(CARGO_TARGET_DIR)/static
HOST = $(shell rustc -vV | sed -n 's/^host: //p')

.PHONY: help setup setup-build setup-bench tools build static demo test test-long mutants bench bench-filters bench-learn layouts libcs fuzz install uninstall clean

help:
	@echo 'make demo       patch a program, watch it run, be stopped, and be restored'
	@echo 'make test       all checks, as CI runs them'
	@echo 'make test-long  what takes longer than that: long searches, whole distributions'
	@echo 'make mutants    do the tests notice changes to the code? takes hours'
	@echo 'make build      the programs and the runtimes, in $(RELEASE)'
	@echo 'make static     the same, linked statically, for any Linux; in $(STATIC)'
	@echo 'make install    to PREFIX=$(PREFIX), below DESTDIR if given'
	@echo 'make uninstall  what install put there'
	@echo 'make bench      start-up cost of a patched program; cost of patching a large one'
	@echo 'make fuzz       look for bugs for FUZZ_SECONDS=$(FUZZ_SECONDS) a target'
	@echo 'make libcs      where a list of one C library does not suffice another (docs/libcs.md)'
	@echo 'make layouts    what programs of all layouts come to, in $(CARGO_TARGET_DIR)/layouts.md'
	@echo 'make setup      the Debian packages that tests need and that are missing (packages.txt)'
	@echo 'make tools      what tests need from PyPI and the npm registry (tests/tools)'
	@echo 'make clean      removes $(CARGO_TARGET_DIR)'

# Each goal installs what it needs itself, and no more: packages.txt has the sections.
setup:
	@.ci/setup build test

# From PyPI and the npm registry, where Debian has none, or none that is current.
tools: setup
	@tests/tools/setup
	@tests/tools/unpack

setup-build:
	@.ci/setup build

setup-bench:
	@.ci/setup build test bench

build: setup-build
	$(CARGO) build --release

# The launcher gives up addresses that differ from start to start for a start without
# relocations; it takes a fifth less time.
static: build
	RUSTFLAGS='-C target-feature=+crt-static' $(CARGO) build --release \
	    --target $(HOST) --target-dir '$(STATIC)/build' --bin sandbox-patch
	RUSTFLAGS='-C target-feature=+crt-static -C relocation-model=static' $(CARGO) build --release \
	    --target $(HOST) --target-dir '$(STATIC)/build-launcher' --bin sandboxify
	cp '$(STATIC)/build/$(HOST)/release/sandbox-patch' \
	    '$(STATIC)/build-launcher/$(HOST)/release/sandboxify' \
	    '$(LIBRARY)' '$(INLINE)' '$(STATIC)/'

demo: build
	@docs/demo.sh '$(RELEASE)'

# Everything is built once: what would make a second build faster fills the disk.
test: export CARGO_INCREMENTAL = 0
test: tools
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets -- -D warnings
	$(CARGO) clippy -p sandbox-patch --lib --no-default-features -- -D warnings
	$(CARGO) build --release
	$(CARGO) test --workspace
	RUSTDOCFLAGS=-Dwarnings $(CARGO) doc --workspace --no-deps
	$(CARGO) fmt --manifest-path fuzz/Cargo.toml --check
	fuzz/bounded 100000 layout patch remove note
	fuzz/bounded 25000 policy

# The tests that say why they are left out of `make test`: #[ignore = "long: …"].
test-long: tools
	tests/libcs/setup
	$(CARGO) build --release
	$(CARGO) test --workspace -- --ignored
	fuzz/run -runs=0
	tests/mutants/run runtime $(MUTANTS)

# All changes to the code that cargo-mutants knows: several hours. `make test-long` tries a
# part of those to the runtimes, another each time if asked (MUTANTS=2/12).
MUTANTS ?= 1/12

mutants: tools
	tests/mutants/run library
	tests/mutants/run runtime
	tests/mutants/run programs

FUZZ_SECONDS ?= 600

fuzz: setup
	$(CARGO) build --release
	fuzz/run -max_total_time=$(FUZZ_SECONDS)

bench: setup-bench static
	$(CARGO) bench --bench startup --bench launcher --bench rewriting

bench-learn: setup build
	$(CARGO) bench --bench learn

bench-filters: setup
	$(CARGO) bench --bench filters

layouts: setup
	$(CARGO) bench --bench layouts >'$(CARGO_TARGET_DIR)/layouts.md'

# The C libraries of other Debian releases are fetched, sid's anew each time.
libcs: setup
	tests/libcs/setup --newest
	LIBCS_TABLE='$(CURDIR)/docs/libcs.rows' $(CARGO) test --test it libcs::a_list_made_with_one_release -- --ignored
	sed '/^| ---/q' docs/libcs.md | cat - docs/libcs.rows >docs/libcs.md.new
	mv docs/libcs.md.new docs/libcs.md
	rm docs/libcs.rows

# Builds only what is missing: `sudo make install` after `make build` needs no
# cargo, which root often does not have.
$(PROGRAM) $(LAUNCHER) $(LIBRARY) $(INLINE):
	$(CARGO) build --release

install: $(PROGRAM) $(LAUNCHER) $(LIBRARY) $(INLINE)
	$(INSTALL) -d '$(BIN_DIR)' '$(LIB_DIR)' '$(POLICY_DIR)' '$(MAN_DIR)' '$(BASH_DIR)' '$(ZSH_DIR)' '$(FISH_DIR)'
	$(INSTALL) -m 755 '$(PROGRAM)' '$(LAUNCHER)' '$(BIN_DIR)/'
	for name in $(WRAPPERS); do ln -sf sandbox-patch "$(BIN_DIR)/$$name" || exit; done
	$(INSTALL) -m 644 '$(LIBRARY)' '$(INLINE)' '$(LIB_DIR)/'
	$(INSTALL) -m 644 $(POLICIES) '$(POLICY_DIR)/'
	set -e; pages=$$(mktemp -d); trap 'rm -rf "$$pages"' EXIT; mkdir "$$pages/man" "$$pages/completions"; \
	'$(PROGRAM)' generate --man "$$pages/man"; \
	'$(PROGRAM)' generate --completions "$$pages/completions"; \
	$(INSTALL) -m 644 "$$pages"/man/*.1 '$(MAN_DIR)/'; \
	for name in $(WRAPPERS); do ln -sf sandbox-patch-link.1 "$(MAN_DIR)/$$name.1"; done; \
	for name in sandbox-patch sandboxify; do \
	    $(INSTALL) -m 644 "$$pages/completions/$$name.bash" "$(BASH_DIR)/$$name"; \
	    $(INSTALL) -m 644 "$$pages/completions/_$$name" '$(ZSH_DIR)/'; \
	    $(INSTALL) -m 644 "$$pages/completions/$$name.fish" '$(FISH_DIR)/'; \
	done

# What install may have made below PREFIX, the innermost first. The common ones
# belong to the system where it has them anyway (hier(7)).
OWN_DIRECTORIES = lib/sandbox-patch share/sandbox-patch/policies share/sandbox-patch share/man/man1 \
    share/bash-completion/completions share/bash-completion \
    share/zsh/site-functions share/zsh share/fish/vendor_completions.d share/fish
ifeq ($(filter /usr /usr/local,$(DESTDIR)$(PREFIX)),)
OWN_DIRECTORIES += share/man share lib bin
endif

uninstall:
	rm -f '$(BIN_DIR)/sandbox-patch' '$(BIN_DIR)/sandboxify'
	for name in $(WRAPPERS); do rm -f "$(BIN_DIR)/$$name"; done
	rm -f '$(LIB_DIR)/libsandbox.so' '$(LIB_DIR)/sandbox-inline'
	for policy in $(notdir $(POLICIES)); do rm -f "$(POLICY_DIR)/$$policy"; done
	rm -f '$(MAN_DIR)'/sandbox-patch.1 '$(MAN_DIR)'/sandbox-patch-*.1 '$(MAN_DIR)/sandboxify.1'
	rm -f '$(BASH_DIR)/sandbox-patch' '$(ZSH_DIR)/_sandbox-patch' '$(FISH_DIR)/sandbox-patch.fish'
	rm -f '$(BASH_DIR)/sandboxify' '$(ZSH_DIR)/_sandboxify' '$(FISH_DIR)/sandboxify.fish'
	cd '$(DESTDIR)$(PREFIX)' && for directory in $(OWN_DIRECTORIES); do \
	    [ ! -d $$directory ] || rmdir --ignore-fail-on-non-empty $$directory; \
	done

clean:
	$(CARGO) clean
