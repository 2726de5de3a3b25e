# SPDX-License-Identifier: Apache-2.0
#
# The short way to everything. The build itself is meson's; these targets install what is missing
# (Debian, Ubuntu), call it, and say what they did.

BUILD ?= build
PREFIX ?= /usr/local
DESTDIR ?=
FUZZ_SECONDS ?= 30
FUZZ ?=

# $(call setup,FOLDER,ARGUMENTS): silent unless it fails.
setup = test -f $(1)/build.ninja || said=$$(meson setup $(1) $(2) 2>&1) || \
	{ echo "$$said"; exit 1; }

.PHONY: build demo check test bench bench-nfc fuzz install kit deb abi-baseline clean help

build:
	@tools/install-deps build
	@$(call setup,$(BUILD),--prefix=$(PREFIX))
	ninja -C $(BUILD)

# A real file system in a VMDK with a snapshot, read, converted and proved, in a dozen lines.
demo:
	@tools/install-deps demo
	@$(call setup,$(BUILD),--prefix=$(PREFIX))
	@ninja -C $(BUILD) --quiet
	@PATH="$$PATH:/usr/sbin:/sbin" tools/demo $(BUILD)

# Every test and style gate, with gcc and clang and under the sanitizers. What CI runs.
check:
	@tools/check release gcc clang asan tsan

# Every suite once, in the ordinary build folder: the short way while changing things.
test:
	@tools/check plain

# Figures beside qemu-img from the same run, kept as build-release/bench.json for bench/compare and
# bench/plot. BENCH_MIB sets the size of the test data.
bench:
	@tools/install-deps bench
	@$(call setup,$(BUILD)-release,--buildtype=release)
	@ninja -C $(BUILD)-release --quiet
	@bench/bench $(BUILD)-release $(BENCH_ARGS)

# Disks of a simulated host beside what the loopback can do: docs/benchmarks-nfc.md.
bench-nfc:
	@tools/install-deps bench
	@$(call setup,$(BUILD)-release,--buildtype=release)
	@ninja -C $(BUILD)-release --quiet
	@bench/nfc $(BENCH_ARGS) $(BUILD)-release

# Every fuzz target (or the one in FUZZ), FUZZ_SECONDS each; findings and corpus stay in build-fuzz/.
fuzz:
	@tools/install-deps fuzz
	@tools/fuzz $(if $(FUZZ),$(FUZZ),all) $(FUZZ_SECONDS)

install:
	@tools/install-deps build
	@$(call setup,$(BUILD),--prefix=$(PREFIX))
	meson configure $(BUILD) --prefix=$(PREFIX)
	DESTDIR=$(DESTDIR) meson install -C $(BUILD)

# The folder and the archive that programs written for VMware's kit expect.
kit: build
	@tools/kit $(BUILD) $(BUILD)
	@echo "$(BUILD)/vmware-vix-disklib-distrib and its .tar.gz"

# Debian packages, into build-deb/.
deb:
	@tools/install-deps deb
	@tools/deb build-deb

# Records the binary interface that later builds are compared with.
abi-baseline: build
	@tools/install-deps check
	@tools/abi-baseline record $(BUILD)/src/vix/libvixDiskLib.so include/vixdisklib tests/abi/libvixDiskLib.abi

clean:
	rm -rf $(BUILD) $(BUILD)-release build-check-* build-fuzz build-deb

help:
	@echo "make build    compile into $(BUILD)/"
	@echo "make demo     see it work on a real disk"
	@echo "make check    run every test: gcc, clang, sanitizers, style gates"
	@echo "make test     run every suite once"
	@echo "make bench    measure beside qemu-img"
	@echo "make bench-nfc  measure nbd and nbdssl beside the loopback"
	@echo "make fuzz     run the fuzzers, FUZZ_SECONDS=$(FUZZ_SECONDS) each; FUZZ=name for one"
	@echo "make install  into PREFIX=$(PREFIX), below DESTDIR"
	@echo "make kit      $(BUILD)/vmware-vix-disklib-distrib, laid out as VMware's kit, and its archive"
	@echo "make abi-baseline  record the binary interface that tests compare with"
	@echo "make deb      Debian packages, into build-deb/"
