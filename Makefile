# make            the five programs, in build/$(ARCH)/
# make help       all targets: printed from the lines "target: … ## text" of all makefiles, under their "##@ group"
#
# Variables:
#   ARCH=amd64|arm64   what to build for (default: this machine's); crossed if it is not this machine's
#   DISTFILES=FOLDER   take all sources from FOLDER, use no network (see `make distfiles`)
#   REPRODUCIBLE=1     take exactly the Debian revisions that common/deps/deps.lock names first, or fail
#   DOCS_URL=URL       end messages with the address of their reason or check on that page, which is images/TROUBLESHOOTING.md
#                      at a place of yours: DOCS_URL=https://docs.example.com/TROUBLESHOOTING.md
#   WERROR=            do not make warnings errors
#   V=1                show the commands
#   DESTDIR, PREFIX    for `make install`
#
# For tests/tests.mk: a native set for programs that run under the machine's own C library and sanitizers. Depend on
# $(HOST_DEPS) and use $(BEARSSL_INC), $(HOST_BEARSSL_LIB), $(CJSON_SRC), $(CJSON_INC), $(CURL_INC); "version.h" is in build/host.
# The real programs are $(PROGRAMS).

VERSION = 0.1.0

SHELL = /bin/sh
.DELETE_ON_ERROR:
.SUFFIXES:

MACHINE := $(shell uname -m)
NATIVE_ARCH := $(or $(patsubst x86_64,amd64,$(filter x86_64,$(MACHINE))),$(patsubst aarch64,arm64,$(filter aarch64,$(MACHINE))),$(MACHINE))
ARCH ?= $(NATIVE_ARCH)
GNU_NAME_amd64 = x86_64-linux-gnu
GNU_NAME_arm64 = aarch64-linux-gnu
ifeq ($(GNU_NAME_$(ARCH)),)
$(error ARCH must be amd64 or arm64, not "$(ARCH)")
endif
CROSS := $(if $(filter $(NATIVE_ARCH),$(ARCH)),,$(GNU_NAME_$(ARCH))-)

# What `make setup` and `make setup-test` install. linux-libc-dev: the sandbox needs the kernel's headers, musl brings none. libc6-dev:
# tools of ours that run at the build for arm64 (common/deps/tools/relr.c) and at each crossed one (pack.c).
SETUP_BUILD_PACKAGES = gcc make binutils linux-libc-dev patch xz-utils git $(if $(or $(CROSS),$(filter arm64,$(ARCH))),libc6-dev)
SETUP_CROSS_PACKAGES_amd64 = gcc-x86-64-linux-gnu linux-libc-dev-amd64-cross
SETUP_CROSS_PACKAGES_arm64 = gcc-aarch64-linux-gnu linux-libc-dev-arm64-cross
SETUP_TEST_PACKAGES = ca-certificates libc6-dev clang libclang-rt-dev clang-format cppcheck shellcheck libcmocka-dev python3 python3-venv \
	iproute2 nftables strace curl openssl groff-base qemu-user-static postgresql-client mariadb-client-core redis-tools $(SETUP_CROSS_PACKAGES_$(if $(filter amd64,$(NATIVE_ARCH)),arm64,amd64))

SETUP_DEMO_PACKAGES = python3 curl
SETUP_WALKTHROUGH_PACKAGES = python3-venv openssl util-linux

B = build/$(ARCH)
PROGRAMS = $(B)/pod-identity-init $(B)/pod-identity-sidecar $(B)/pod-identity-get $(B)/pod-identity-agent $(B)/pod-identity-webhook

.PHONY: all man deps distfiles size check-binaries setup setup-test demo install clean distclean help FORCE
##@ Build
all: $(PROGRAMS) $(B)/sbom.spdx.json ## the five programs and the SBOM, in build/ARCH/; what `make` alone does

help: ## this list
	@awk -f tests/lint/help.awk $(filter %Makefile %.mk,$(MAKEFILE_LIST))

# ---- dependencies ----
# Rebuilt when what they are made of changes (the lock, the patches, the scripts, the compiler), not when a file is touched.
# build/.lock: two makes at once share the work instead of destroying it.

DEPS = common/deps
SRC_KEY := $(shell { echo '$(DISTFILES)$(if $(REPRODUCIBLE), reproducible)'; cat $(DEPS)/deps.lock $(DEPS)/unpack.sh $(DEPS)/patches/*; } | sha256sum | cut -c1-16)
DEPS_KEY := $(shell { echo $(SRC_KEY); cat $(DEPS)/build.sh $(DEPS)/static-pie.ld $(DEPS)/tools/relr.c; $(CROSS)gcc --version; } 2>&1 | sha256sum | cut -c1-16)
SRC_STAMP = build/src/.stamp-$(SRC_KEY)
DEPS_STAMP = $(B)/deps/.stamp-$(DEPS_KEY)

FETCH = sh $(DEPS)/fetch.sh $(if $(DISTFILES),--offline '$(DISTFILES)',build/distfiles) build/sources

# need TOOL PACKAGE: stops with the name of the package to install
need = command -v $(1) >/dev/null || { echo "make: $(1) is missing: make setup, or apt-get install $(2)" >&2; exit 1; }

deps: $(DEPS_STAMP) ## only the four libraries, from source

$(SRC_STAMP):
	@$(call need,patch,patch)
	@$(call need,xz,xz-utils)
	@mkdir -p build
	@flock build/.lock sh -ec 'test ! -e $@ || exit 0; $(FETCH); \
		sh $(DEPS)/unpack.sh "$(or $(DISTFILES),build/distfiles)" build/sources build/src; touch $@'

$(DEPS_STAMP): $(SRC_STAMP)
	@$(call need,$(CROSS)gcc,$(if $(CROSS),$(SETUP_CROSS_PACKAGES_$(ARCH)),gcc))
	@$(call need,$(CROSS)ar,binutils)
	@echo 'deps: building musl, BearSSL, libcurl and cJSON for $(ARCH) (about a minute; once)'
	@flock build/.lock sh -ec 'test ! -e $@ || exit 0; sh $(DEPS)/build.sh build/src $(B) $(ARCH) $(CROSS); touch $@'

distfiles: ## all sources into build/distfiles, or DISTFILES=FOLDER, which then builds without network
	@mkdir -p build
	@flock build/.lock sh $(DEPS)/fetch.sh '$(or $(DISTFILES),build/distfiles)' build/sources.distfiles
	@echo 'All sources are in $(or $(DISTFILES),build/distfiles)'

HOST_DEPS = build/host/deps.stamp
HOST_BEARSSL_LIB = build/host/libbearssl.a
BEARSSL_INC = build/src/bearssl/inc
CJSON_INC = build/src/cjson
CJSON_SRC = build/src/cjson/cJSON.c
CURL_INC = build/src/curl/include

# need_header HEADER PACKAGE: the same for a header of this machine's own compiler
need_header = printf '\#include <%s>\n' stdarg.h stddef.h stdint.h setjmp.h $(1) | $(HOST_CC) -fsyntax-only -x c - 2>/dev/null || \
	{ echo "make: $(1) is missing: make setup-test, or apt-get install $(2)" >&2; exit 1; }

$(HOST_DEPS): $(SRC_STAMP) $(DEPS)/build.sh
	@$(call need_header,string.h,libc6-dev)
	@flock build/.lock sh -ec 'sh $(DEPS)/build.sh build/src build/host host; \
		cp build/host/deps/lib/libbearssl.a $(HOST_BEARSSL_LIB); touch $@'
$(HOST_BEARSSL_LIB): $(HOST_DEPS)

# ---- what was built from what ----
# version.h and the SBOM change only if their content does, so a new commit recompiles one file.

REVISION := $(or $(shell git rev-parse --short=12 HEAD 2>/dev/null),unknown)$(shell git --no-optional-locks diff --quiet HEAD 2>/dev/null || test $$? -ne 1 || echo -dirty)
SOURCE_DATE_EPOCH ?= $(or $(shell git log -1 --format=%ct 2>/dev/null),0)
export SOURCE_DATE_EPOCH

build/amd64/version.h build/arm64/version.h build/host/version.h: build/%/version.h: $(SRC_STAMP) $(DEPS)/describe.sh FORCE
	@mkdir -p $(@D)
	@sh $(DEPS)/describe.sh version $(VERSION) $(REVISION) build/sources >$@.$$$$.new && \
	{ cmp -s $@.$$$$.new $@ && rm $@.$$$$.new || mv $@.$$$$.new $@; }

build/amd64/docs_url.h build/arm64/docs_url.h build/host/docs_url.h: build/%/docs_url.h: $(DEPS)/describe.sh FORCE
	@mkdir -p $(@D)
	@sh $(DEPS)/describe.sh docs '$(DOCS_URL)' >$@.$$$$.new && \
	{ cmp -s $@.$$$$.new $@ && rm $@.$$$$.new || mv $@.$$$$.new $@; } || { rm -f $@.$$$$.new; exit 1; }

$(B)/sbom.spdx.json: build/%/sbom.spdx.json: $(SRC_STAMP) $(DEPS)/describe.sh FORCE
	@mkdir -p $(@D)
	@sh $(DEPS)/describe.sh sbom $(VERSION) $(REVISION) build/sources $* >$@.$$$$.new && \
	{ cmp -s $@.$$$$.new $@ && rm $@.$$$$.new || mv $@.$$$$.new $@; }

# ---- packed texts ----
# The same for all architectures: made once, by a program that runs here.

PACKED = build/packed/explain_packed.h build/packed/help_packed.h
PACK_CC = $(if $(CROSS),$(or $(HOSTCC),gcc),$(CC_TARGET))
build/packed/explain_packed.h: ROWS = -DROWS_FILE='"common/pod/explain_texts.h"' -DROWS=EXPLANATIONS
build/packed/help_packed.h: ROWS = -DROWS_FILE='"sidecar/config_table.h"' -DROWS=CONFIG_TEXTS

$(PACKED): build/packed/%_packed.h: $(DEPS)/tools/pack.c Makefile | $(DEPS_STAMP)
	@mkdir -p $(@D)
	$(Q)flock build/.lock sh -ec '$(PACK_CC) -D_GNU_SOURCE -std=c11 -O1 -Wall -Wextra -I. "$$@" -MMD -MP -MT $@ -MF $(@:.h=.d) $< -o $(@:.h=); \
		$(@:.h=) $(shell echo $* | tr a-z A-Z) >$@.new; mv $@.new $@' sh $(ROWS)
-include $(PACKED:.h=.d)

# ---- our programs ----

WERROR ?= -Werror
Q = $(if $(V),,@)
CC_TARGET = $(B)/cc
OUR_CPPFLAGS = -D_GNU_SOURCE -I. -I$(B) -Ibuild/packed -idirafter $(B)/deps/kernel
OUR_CFLAGS = -std=c11 -Os -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wformat=2 -Wconversion $(WERROR) \
	-ffunction-sections -fdata-sections -fstack-protector-strong -fomit-frame-pointer \
	-fno-asynchronous-unwind-tables -fno-unwind-tables
# What no request needs is optimized as one piece with libcurl, and lies with it (common/deps/static-pie.ld knows the rest by
# its files). Not wipe.c: a comparison that must take the same time whatever it finds must not see its caller.
# What is warm lies in an archive of its own, which is how the linker script knows it.
WARM_OBJ = $(patsubst %,$(B)/obj/common/%.o,base/buf base/clock base/log base/pages base/version base/wipe source/refresh text/base64url text/hash \
	$(addprefix serve/,answer connections footprint loop patience peers request request_body request_field request_text server server_bodies tls_client tls_refusal tls_rest tls_server tls_server_curves tls_sessions tls_setup tls_slots tls_turns upstream watches))
COLD_SIDECAR = $(patsubst %,$(B)/obj/sidecar/%.o,complain config config_file config_read config_tokens identity once token_make tokens whoami main separation)
# arm64: the linker works round an erratum of the Cortex-A53 in place: with stubs it would cost a page each time. Needs
# variables to be near: see common/base/far.h.
OUR_LDFLAGS_arm64 = -Wl,--fix-cortex-a53-843419=adr
# All but those that have such storage; what these hand on goes through far_hidden() there.
NEAR_arm64 = -mcmodel=tiny
NEAR_OBJ = $(patsubst %.c,$(B)/obj/%.o,$(shell grep -LwE 'FAR|FAR_SCRATCH' common/*/*.c sidecar/*.c sidecar/get/*.c init/*.c agent/*.c))
OUR_LDFLAGS = -Wl,--gc-sections $(OUR_LDFLAGS_$(ARCH))

COMMON_OBJ = $(patsubst %.c,$(B)/obj/%.o,$(wildcard common/*/*.c))
INIT_OBJ = $(patsubst %.c,$(B)/obj/%.o,$(wildcard init/*.c))
SIDECAR_OBJ = $(patsubst %.c,$(B)/obj/%.o,$(wildcard sidecar/*.c))
GET_OBJ = $(patsubst %.c,$(B)/obj/%.o,$(wildcard sidecar/get/*.c))
AGENT_OBJ = $(patsubst %.c,$(B)/obj/%.o,$(wildcard agent/*.c))
# With the agent's readers of associations, and its walk over JSON.
WEBHOOK_OBJ = $(patsubst %.c,$(B)/obj/%.o,$(wildcard agent/webhook/*.c)) \
	$(patsubst %,$(B)/obj/agent/%.o,association_folder association_table association_value json_scan)

# It need not be fast: without these it is smaller by a fortieth (libcurl's, too: common/deps/build.sh).
COLD = -fno-move-loop-invariants -fno-tree-loop-im -fno-expensive-optimizations
$(filter-out $(WARM_OBJ),$(COMMON_OBJ)) $(INIT_OBJ) $(COLD_SIDECAR): LTO = -flto -fno-data-sections $(COLD)
# But the agent reads each token that it does not know with these.
$(B)/obj/common/pod/jwt.o $(B)/obj/common/text/json.o: COLD =

# What looks at each byte of a request: speed first.
$(patsubst %,$(B)/obj/%.o,common/serve/request common/serve/request_field common/serve/request_text agent/keyed_hash agent/store): SPEED = -O2

$(NEAR_OBJ): NEAR = $(NEAR_$(ARCH))

# common/base/version.c cannot reach the generated version.h by name: its own header, beside it, has the same.
$(B)/obj/common/base/version.o: OUR_CPPFLAGS += -include $(B)/version.h

$(B)/obj/%.o: %.c $(DEPS_STAMP) Makefile | $(B)/version.h $(B)/docs_url.h $(PACKED)
	@mkdir -p $(@D)
	@echo '  CC    $(ARCH) $<'
	$(Q)$(CC_TARGET) $(OUR_CPPFLAGS) $(CPPFLAGS) $(OUR_CFLAGS) $(SPEED) $(LTO) $(NEAR) $(CFLAGS) -MMD -MP -c $< -o $@

# A library, so that each program takes only what it uses.
COMMON = $(B)/common.a $(B)/warm.a
$(B)/common.a: $(filter-out $(WARM_OBJ),$(COMMON_OBJ))
$(B)/warm.a: $(WARM_OBJ)
$(COMMON):
	@rm -f $@
	$(Q)$(CROSS)gcc-ar rcsD $@ $^

$(B)/debug/pod-identity-init: $(INIT_OBJ) $(COMMON)
$(B)/debug/pod-identity-sidecar: $(SIDECAR_OBJ) $(COMMON)
$(B)/debug/pod-identity-get: $(GET_OBJ) $(COMMON)
$(B)/debug/pod-identity-agent: $(AGENT_OBJ) $(COMMON)
$(B)/debug/pod-identity-webhook: $(WEBHOOK_OBJ) $(COMMON)
$(B)/debug/pod-identity-init $(B)/debug/pod-identity-sidecar $(B)/debug/pod-identity-agent: LIBS = -lcurl $(COMMON) -lbearssl -lcjson
$(B)/debug/pod-identity-webhook: LIBS = $(COMMON) -lbearssl -lcjson
# Our library again behind libcurl: common/http/tls.c takes the place of a function of BearSSL that only libcurl calls.

# All but pod-identity-get, which runs programs: they would inherit it.
$(patsubst %,$(B)/debug/pod-identity-%,init sidecar agent webhook): ENTRY = -Wl,-e,process_entry
$(B)/obj/common/base/entry.o: LTO =

# With symbols, for debuggers; what ships is the same file, stripped.
$(B)/debug/%:
	@mkdir -p $(@D)
	@echo '  LINK  $@'
	$(Q)$(CC_TARGET) $(OUR_LDFLAGS) $(ENTRY) $(LDFLAGS) $^ $(LIBS) -o $@

$(PROGRAMS): $(B)/%: $(B)/debug/%
	$(Q)$(CROSS)strip -s -R .rela.dyn -R .comment -R .note.gnu.property -o $@ $<

-include $(patsubst %.o,%.d,$(COMMON_OBJ) $(INIT_OBJ) $(SIDECAR_OBJ) $(GET_OBJ) $(AGENT_OBJ) $(WEBHOOK_OBJ))

# ---- checks ----

##@ Test

KIB_pod-identity-init = 448
KIB_pod-identity-sidecar = 448
KIB_pod-identity-get = 64
KIB_pod-identity-agent = 512
KIB_pod-identity-webhook = 448

size: $(PROGRAMS) ## the sizes of the programs against their limits
	@status=0; for p in $(foreach p,$(PROGRAMS),$(p):$(KIB_$(notdir $(p)))); do \
		limit=$${p##*:}; file=$${p%:*}; bytes=$$(wc -c <$$file); verdict=ok; \
		[ $$bytes -le $$((limit * 1024)) ] || { verdict='TOO LARGE'; status=1; }; \
		printf '%-36s %7d bytes of %7d (%3d KiB)  %s\n' $$file $$bytes $$((limit * 1024)) $$limit "$$verdict"; \
	done; exit $$status

check-binaries: $(PROGRAMS) ## hardening of the programs: static PIE, RELRO, NX, stack protector, stripped
	@sh $(DEPS)/check-binary.sh $(CROSS) $(PROGRAMS)

# ---- housekeeping ----

##@ Build

setup: ## install what the build needs (apt); with ARCH= of the other architecture, its cross compiler
	@sh $(DEPS)/setup.sh $(SETUP_BUILD_PACKAGES) $(if $(CROSS),$(SETUP_CROSS_PACKAGES_$(ARCH)))

##@ Test
setup-test: ## install what `make test` needs
	@sh $(DEPS)/setup.sh $(SETUP_BUILD_PACKAGES) $(SETUP_TEST_PACKAGES)
	@sh tests/tools.sh go node prometheus postgres

##@ Build
# Manual pages and completion, from what the programs of this machine's architecture print for --help.
MAN_PROGRAMS = $(notdir $(PROGRAMS))
MAN_B = build/$(NATIVE_ARCH)
MAN_PAGES = $(MAN_PROGRAMS:%=build/man/%.1)
man: $(MAN_PAGES) build/man/completion.bash ## manual pages and completion for bash, in build/man

build/man/%.1: $(MAN_B)/% $(DEPS)/tools/man.awk
	@mkdir -p build/man
	@$< --help | awk -v program=$* -v version=$(VERSION) -f $(DEPS)/tools/man.awk >$@.new && mv $@.new $@

build/man/completion.bash: $(MAN_PROGRAMS:%=$(MAN_B)/%) $(DEPS)/tools/completion.awk
	@mkdir -p build/man
	@for p in $(MAN_PROGRAMS); do echo "# $$p"; $(MAN_B)/$$p --help || exit 1; done >$@.help
	@awk -f $(DEPS)/tools/completion.awk $@.help >$@.new && rm $@.help && mv $@.new $@

PREFIX ?= /usr/local
# Of another architecture only the programs: nothing here can run them.
INSTALL_MAN = $(if $(CROSS),,man)
install: all $(INSTALL_MAN) ## into $(DESTDIR)$(PREFIX), by default /usr/local
	install -d '$(DESTDIR)$(PREFIX)/bin' '$(DESTDIR)$(PREFIX)/share/doc/pod-identity'
	install -m 0755 $(PROGRAMS) '$(DESTDIR)$(PREFIX)/bin/'
	install -m 0644 $(B)/sbom.spdx.json $(wildcard LICENSE) '$(DESTDIR)$(PREFIX)/share/doc/pod-identity/'
	$(if $(INSTALL_MAN),install -d '$(DESTDIR)$(PREFIX)/share/man/man1' '$(DESTDIR)$(PREFIX)/share/bash-completion/completions')
	$(if $(INSTALL_MAN),install -m 0644 $(MAN_PAGES) '$(DESTDIR)$(PREFIX)/share/man/man1/')
	$(if $(INSTALL_MAN),for p in $(MAN_PROGRAMS); do install -m 0644 build/man/completion.bash '$(DESTDIR)$(PREFIX)/share/bash-completion/completions/'"$$p" || exit 1; done)

clean: ## remove our objects and programs, keep the libraries
	rm -rf build/packed $(foreach a,amd64 arm64,$(addprefix build/$(a)/,obj debug common.a warm.a version.h docs_url.h sbom.spdx.json \
		pod-identity-init pod-identity-sidecar pod-identity-get pod-identity-agent pod-identity-webhook))

distclean: ## remove build/
	rm -rf build

##@ Try it
# Installs what it needs, builds, and shows the main job against the emulator of the agent.
demo: ## install what it needs, build, and show the main job against an emulator of the agent
	@sh tests/demo.sh '$(MAKE)' $(B) $(SETUP_BUILD_PACKAGES) $(SETUP_DEMO_PACKAGES)

# images, bundle, release, e2e
-include images/images.mk
-include images/release.mk

# test, lint, fuzz, bench
-include tests/tests.mk
