# The targets that test. `make test` runs them all, each by name, and ends in one line "N passed, N failed, N skipped".
#
# Each of them leaves its counts, "passed failed skipped", in build/test/NAME.counts, for tests/run.sh to add up, and the
# reasons of its skips in NAME.skips. tests/floors.txt says how many must pass at least.
# Temporary state is under build/ only.

##@ Test

.PHONY: test test-other-debian unit fuzz fuzz-replay lint integration soak interop interop-all interop-table setup-interop walkthrough walkthrough-any pictures picture-monitoring check-reproducible bench bench-init bench-sidecar bench-tls bench-attack bench-agent bench-webhook write-down

TEST_STAGES = build unit fuzz-replay lint integration check-reproducible size check-binaries

# Set-up, building and testing are makes of their own: the first installs what the others look for.
test: ## all that needs no cloud and no container: install what it needs, build, run; ends in the counts; ALLOW_SKIPS=1, LEAVE_OUT='STAGE STAGE/FOLDER'
	@LEAVE_OUT='$(LEAVE_OUT)' ALLOW_SKIPS='$(ALLOW_SKIPS)' sh tests/run.sh '$(MAKE)' $(TEST_STAGES)

# make test-other-debian SUITE=bookworm      that one, not the one that this machine is not
# make test-other-debian RUN='make unit'     that there
RUN ?= make demo && make test LEAVE_OUT='$(LEAVE_OUT)'
test-other-debian: LEAVE_OUT ?= fuzz-replay check-reproducible integration/emulator integration/test_interop_matrix.py
test-other-debian: ## the same on another Debian, in a minimal root that debootstrap makes; without what learns nothing from it
	@sh tests/other-debian.sh $(if $(SUITE),--suite $(SUITE)) sh -c "$(RUN)"

# ---- C, with the machine's own compiler and C library, under sanitizers ----
# Not among them: what needs libcurl, which only those tests link that use CLIENT, and the mains.

HOST_CC ?= gcc
H = build/host
SANITIZE = -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
HOST_CPPFLAGS = -D_GNU_SOURCE -I. -I$(H) -Ibuild/packed -isystem $(BEARSSL_INC) -isystem $(CJSON_INC)
HOST_CFLAGS = -std=c11 -g -O1 -Wall -Wextra -Wshadow -Wstrict-prototypes -Wformat=2 $(WERROR) $(SANITIZE)

TESTED_SRC = $(filter-out common/http/http.c common/http/getaddrinfo.c common/source/fetch.c common/aws/identity.c common/sandbox/sandbox.c,$(wildcard common/*/*.c)) \
	sidecar/config.c sidecar/config_file.c sidecar/config_read.c sidecar/config_tokens.c sidecar/separation.c sidecar/routes.c sidecar/answers.c sidecar/identity.c sidecar/get/shell_words.c \
	sidecar/imds.c sidecar/metrics.c sidecar/listeners.c sidecar/sinks.c sidecar/tokens.c sidecar/token_make.c \
	$(filter-out agent/main.c,$(wildcard agent/*.c)) $(filter-out agent/webhook/main.c,$(wildcard agent/webhook/*.c)) init/labels.c init/shared_config.c init/wait_policy.c
TESTED_OBJ = $(patsubst %.c,$(H)/obj/%.o,$(TESTED_SRC)) $(H)/obj/cJSON.o

$(H)/obj/common/base/version.o: HOST_CPPFLAGS += -include $(H)/version.h
$(H)/obj/common/base/version.o: $(H)/version.h

$(H)/obj/%.o: %.c $(HOST_DEPS) Makefile tests/tests.mk | $(H)/version.h $(H)/docs_url.h $(PACKED)
	@mkdir -p $(@D)
	$(HOST_CC) $(HOST_CPPFLAGS) $(HOST_CFLAGS) -MMD -MP -c $< -o $@

$(H)/obj/cJSON.o: $(HOST_DEPS)
	@mkdir -p $(@D)
	$(HOST_CC) -g -O1 $(SANITIZE) -c $(CJSON_SRC) -o $@

$(H)/tested.a: $(TESTED_OBJ)
	@rm -f $@
	ar rcsD $@ $^

# The HTTP client, with libcurl: its sources, patches and configuration are those of the programs.
CLIENT_SRC = common/http/http.c common/http/getaddrinfo.c common/source/fetch.c
CLIENT = $(patsubst %.c,$(H)/obj/%.o,$(CLIENT_SRC)) $(H)/libcurl.a
$(patsubst %.c,$(H)/obj/%.o,$(CLIENT_SRC)) $(patsubst %.c,$(H)/fuzz-obj/%.o,$(CLIENT_SRC)): HOST_CPPFLAGS += -isystem $(CURL_INC)
CURL_CONFIG = $(B)/deps/curl/lib/curl_config.h

$(H)/libcurl.a: $(DEPS_STAMP) tests/curl.sh tests/tests.mk
	@mkdir -p $(@D)
	sh tests/curl.sh build/src $(CURL_CONFIG) $@ $(HOST_CC) -g -O1 $(SANITIZE)

UNIT_TESTS = $(patsubst tests/unit/%.c,$(H)/unit/%,$(wildcard tests/unit/*/test_*.c))
UNIT_SUPPORT = $(patsubst %.c,$(H)/obj/%.o,$(foreach f,$(wildcard tests/unit/*.c tests/unit/*/*.c),$(if $(filter test_%,$(notdir $f)),,$f)))

# The test has both ends of the sockets.
WRAP_test_resolver = -Wl,--wrap=socket,--wrap=connect,--wrap=recv
WRAP_test_resolver_names = $(WRAP_test_resolver)
# The test lets allocations fail, and sees where its thread connects to.
WRAP_test_allocation = -Wl,--wrap=malloc,--wrap=calloc,--wrap=strdup,--wrap=connect
$(H)/unit/source/test_allocation: $(CLIENT)

$(UNIT_TESTS): $(H)/unit/%: $(H)/obj/tests/unit/%.o $(UNIT_SUPPORT) $(H)/tested.a $(HOST_BEARSSL_LIB)
	@mkdir -p $(@D)
	$(HOST_CC) $(SANITIZE) $(WRAP_$(@F)) $(filter %.o,$^) $(filter %/libcurl.a,$^) $(H)/tested.a $(HOST_BEARSSL_LIB) -lcmocka -o $@

$(H)/.cmocka: | $(HOST_DEPS)
	@mkdir -p $(@D)
	@$(call need_header,cmocka.h,libcmocka-dev)
	@touch $@
$(UNIT_TESTS:$(H)/unit/%=$(H)/obj/tests/unit/%.o) $(UNIT_SUPPORT): | $(H)/.cmocka

unit: $(UNIT_TESTS) ## C, with sanitizers
	@sh tests/unit/run.sh build/test $(UNIT_TESTS)

# ---- fuzzing ----
# tests/fuzz/NAME_fuzz.c, once with a driver of our own that replays the corpus, once with libFuzzer.
# make fuzz SECONDS=60       each target for so long; findings and new inputs stay in build/fuzz
# make fuzz FUZZ=jwt         only that target

SECONDS ?= 60
FUZZ_CC ?= clang
FUZZ_NAMES = $(patsubst tests/fuzz/%_fuzz.c,%,$(wildcard tests/fuzz/*_fuzz.c))
FUZZ ?= $(FUZZ_NAMES)
FUZZ_SANITIZE = -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
REPLAYS = $(patsubst %,$(H)/replay/%,$(FUZZ_NAMES))
FUZZERS = $(patsubst %,$(H)/fuzz/%,$(FUZZ_NAMES))

# The target plays the server while the client waits, and sees where it connects to.
WRAP_http = -Wl,--wrap=poll,--wrap=connect
$(H)/replay/http: $(CLIENT)

# The target is the system that fails, and looks at the files meanwhile.
WRAP_sinks = -Wl,--wrap=open,--wrap=read,--wrap=write,--wrap=mkostemp,--wrap=fchmod,--wrap=fsync,--wrap=close,--wrap=rename

$(REPLAYS): $(H)/replay/%: $(H)/obj/tests/fuzz/%_fuzz.o $(H)/obj/tests/fuzz/driver.o $(H)/tested.a $(HOST_BEARSSL_LIB)
	@mkdir -p $(@D)
	$(HOST_CC) $(SANITIZE) $(WRAP_$(@F)) $(filter %.o,$^) $(filter %/libcurl.a,$^) $(H)/tested.a $(HOST_BEARSSL_LIB) -o $@

fuzz-replay: $(REPLAYS) ## the corpus of each fuzz target, each input twice
	@sh tests/fuzz/replay.sh build/test $(REPLAYS)

$(H)/fuzz-obj/%.o: %.c $(HOST_DEPS) Makefile tests/tests.mk | $(H)/version.h $(H)/docs_url.h $(PACKED)
	@mkdir -p $(@D)
	$(FUZZ_CC) $(HOST_CPPFLAGS) -std=c11 -g -O1 $(FUZZ_SANITIZE) -MMD -MP -c $< -o $@

$(H)/fuzz-obj/cJSON.o: $(HOST_DEPS)
	@mkdir -p $(@D)
	$(FUZZ_CC) -g -O1 $(FUZZ_SANITIZE) -c $(CJSON_SRC) -o $@

$(H)/fuzz-obj/common/base/version.o: HOST_CPPFLAGS += -include $(H)/version.h

$(H)/fuzzed.a: $(TESTED_OBJ:$(H)/obj/%=$(H)/fuzz-obj/%)
	@rm -f $@
	ar rcsD $@ $^

$(H)/fuzz-libcurl.a: $(DEPS_STAMP) tests/curl.sh tests/tests.mk
	@mkdir -p $(@D)
	sh tests/curl.sh build/src $(CURL_CONFIG) $@ $(FUZZ_CC) -g -O1 $(FUZZ_SANITIZE)

$(H)/fuzz/http: $(patsubst %.c,$(H)/fuzz-obj/%.o,$(CLIENT_SRC)) $(H)/fuzz-libcurl.a

$(FUZZERS): $(H)/fuzz/%: $(H)/fuzz-obj/tests/fuzz/%_fuzz.o $(H)/fuzzed.a $(HOST_BEARSSL_LIB)
	@mkdir -p $(@D)
	$(FUZZ_CC) -fsanitize=fuzzer,address,undefined $(WRAP_$(@F)) $(filter %.o,$^) $(filter %libcurl.a,$^) $(H)/fuzzed.a $(HOST_BEARSSL_LIB) -o $@

fuzz: $(patsubst %,$(H)/fuzz/%,$(FUZZ)) ## libFuzzer on each parser; SECONDS=60 each, FUZZ=jwt only that one
	@sh tests/fuzz/fuzz.sh $(SECONDS) $^

# Keep what only rules with patterns make.
.PRECIOUS: $(H)/obj/%.o $(H)/fuzz-obj/%.o
-include $(patsubst %.o,%.d,$(filter-out %/cJSON.o,$(TESTED_OBJ) $(CLIENT_SRC:%.c=$(H)/obj/%.o) $(CLIENT_SRC:%.c=$(H)/fuzz-obj/%.o) $(TESTED_OBJ:$(H)/obj/%=$(H)/fuzz-obj/%)) $(UNIT_SUPPORT) \
	$(UNIT_TESTS:$(H)/unit/%=$(H)/obj/tests/unit/%.o) $(H)/obj/tests/fuzz/driver.o \
	$(FUZZ_NAMES:%=$(H)/obj/tests/fuzz/%_fuzz.o) $(FUZZ_NAMES:%=$(H)/fuzz-obj/tests/fuzz/%_fuzz.o))

# ---- the rest ----

lint: $(H)/version.h $(H)/docs_url.h $(PACKED) ## architecture, form, clang-format, cppcheck, shellcheck, Markdown, spelling
	@sh tests/lint/run.sh build/test '$(HOST_CPPFLAGS)'

# The sidecar with made-up time, for the tests that let hours pass: the same objects, and a clock that reads a file.
CLOCK_SIDECAR = $(B)/test/pod-identity-sidecar-clock

$(B)/obj/tests/clock/file_clock.o: Makefile tests/tests.mk

$(CLOCK_SIDECAR): $(B)/obj/tests/clock/file_clock.o $(SIDECAR_OBJ) $(COMMON)
	@mkdir -p $(@D)
	$(CC_TARGET) $(OUR_LDFLAGS) -Wl,--wrap=watches_clock,--wrap=epoll_wait,--wrap=fsync $^ -lcurl $(COMMON) -lbearssl -lcjson -o $@

# The sidecar that tries, from inside its sandbox, what it must not be able to do.
SANDBOX_SIDECAR = $(B)/test/pod-identity-sidecar-sandbox

$(B)/obj/tests/sandbox/attempts.o: Makefile tests/tests.mk

$(SANDBOX_SIDECAR): $(B)/obj/tests/sandbox/attempts.o $(SIDECAR_OBJ) $(COMMON)
	@mkdir -p $(@D)
	$(CC_TARGET) $(OUR_LDFLAGS) -Wl,--wrap=loop_run $^ -lcurl $(COMMON) -lbearssl -lcjson -o $@

# A server of TLS and bodies that serves nothing in particular.
HTTPS_SERVER = $(B)/test/https_server

$(B)/obj/tests/tls/https_server.o: Makefile tests/tests.mk

$(HTTPS_SERVER): $(B)/obj/tests/tls/https_server.o $(COMMON)
	@mkdir -p $(@D)
	$(CC_TARGET) $(OUR_LDFLAGS) $^ $(COMMON) -lbearssl -lcjson -o $@

# Programs that were built with DOCS_URL: the same objects, but for those that know of it.
TEST_DOCS_URL = https://docs.example.com/pod-identity/TROUBLESHOOTING.md
DOCS_B = $(B)/test/docs
DOCS_INIT = $(B)/test/pod-identity-init-docs
DOCS_SIDECAR = $(B)/test/pod-identity-sidecar-docs
DOCS_OBJ_INIT = $(patsubst %,$(DOCS_B)/%.o,common/base/docs init/report)
DOCS_OBJ_SIDECAR = $(patsubst %,$(DOCS_B)/%.o,common/base/docs sidecar/answers sidecar/complain sidecar/refresher)

$(DOCS_B)/docs_url.h: $(DEPS)/describe.sh tests/tests.mk
	@mkdir -p $(@D)
	@sh $(DEPS)/describe.sh docs $(TEST_DOCS_URL) >$@

$(DOCS_B)/%.o: %.c $(DEPS_STAMP) Makefile tests/tests.mk | $(DOCS_B)/docs_url.h
	@mkdir -p $(@D)
	@echo '  CC    $(ARCH) $< (DOCS_URL)'
	$(Q)$(CC_TARGET) -I$(DOCS_B) $(OUR_CPPFLAGS) $(CPPFLAGS) $(OUR_CFLAGS) $(LTO) $(CFLAGS) -MMD -MP -c $< -o $@

$(DOCS_INIT): $(DOCS_OBJ_INIT) $(filter-out %/report.o,$(INIT_OBJ)) $(COMMON)
$(DOCS_SIDECAR): $(DOCS_OBJ_SIDECAR) $(filter-out %/answers.o %/complain.o %/refresher.o,$(SIDECAR_OBJ)) $(COMMON)
$(DOCS_INIT) $(DOCS_SIDECAR):
	@echo '  LINK  $@'
	$(Q)$(CC_TARGET) $(OUR_LDFLAGS) $^ -lcurl $(COMMON) -lbearssl -lcjson -o $@

-include $(patsubst %.o,%.d,$(DOCS_OBJ_INIT) $(DOCS_OBJ_SIDECAR))

# So many integration tests at once: they wait more than they work. JOBS=1: one by one.
JOBS ?= $(shell echo $$(($$(nproc) * 2)))

integration: $(PROGRAMS) $(HTTPS_SERVER) $(CLOCK_SIDECAR) $(SANDBOX_SIDECAR) $(DOCS_INIT) $(DOCS_SIDECAR) ## the real programs against the emulator; PYTEST_ARGS='tests/integration/… -k …' only those
	@JOBS=$(JOBS) sh tests/integration.sh build/test $(PYTEST_ARGS)

# A minute of it is among the integration tests, with the same seed each time. Another SEED is another order of events.
MINUTES ?= 25
SEED ?= 13
soak: $(PROGRAMS) ## the sidecar for long, between an upstream and clients that misbehave at random; MINUTES=25, SEED=13
	@SOAK_SECONDS="$$(($(MINUTES) * 60))" SOAK_SEED='$(SEED)' sh tests/integration.sh build/test/soak -s \
		tests/integration/sidecar/test_sidecar_soak.py -k test_soak $(PYTEST_ARGS)

# Real SDKs as clients (tests/interop/README.md), and a real MinIO server as upstream; `make test` has the newest releases of what
# is quick to install among its integration tests, and MinIO where setup-interop built it. The counts go to a place of their own.
# make interop-all RELEASES='botocore go'   only these releases, SDKs or families
RELEASES ?= all
interop: $(PROGRAMS) ## the newest real SDKs as clients of the sidecar, a real MinIO server behind it; part of integration
	@JOBS=$(JOBS) INTEROP_RELEASES=newest sh tests/integration.sh build/test/interop -k interop -rs $(PYTEST_ARGS)

interop-all: $(PROGRAMS) ## every release of every SDK, in each way and scenario; half an hour; RELEASES='botocore go' only those
	@JOBS=$(JOBS) INTEROP_RELEASES='$(RELEASES)' sh tests/integration.sh build/test/interop-all -rs tests/integration/test_interop_matrix.py $(PYTEST_ARGS)

interop-table: ## write sidecar/SDKS.md from what the last `make interop-all` found
	@python3 tests/interop/table.py

setup-interop: ## install what `make interop` needs; but for MinIO, which it builds in some minutes, part of setup-test
	@sh $(DEPS)/setup.sh $(SETUP_BUILD_PACKAGES) python3 python3-venv iproute2 openssl ca-certificates ruby php-cli
	@sh tests/tools.sh go node minio

##@ Try it
# The feature as its users know it, step by step, with the real aws command; `make test` has it among its integration tests.
walkthrough: ## EKS Pod Identity step by step, with the real aws command against the emulator
	@sh $(DEPS)/setup.sh $(SETUP_BUILD_PACKAGES) $(SETUP_DEMO_PACKAGES) $(SETUP_WALKTHROUGH_PACKAGES)
	@$(MAKE) --no-print-directory -j"$$(nproc)" all
	@sh tests/integration.sh build/test/walkthrough -s tests/integration/test_walkthrough.py

walkthrough-any: ## the same on any Kubernetes: tokens of real keys, associations in a ConfigMap, our agent, a real SDK
	@sh $(DEPS)/setup.sh $(SETUP_BUILD_PACKAGES) $(SETUP_DEMO_PACKAGES) $(SETUP_WALKTHROUGH_PACKAGES)
	@$(MAKE) --no-print-directory -j"$$(nproc)" all
	@sh tests/integration.sh build/test/walkthrough-any -s tests/integration/agent/test_any_cluster.py -k whole_circle

# The record of the demo is made anew only if the demo shows something else; all else is drawn from images/pictures/*.py.
pictures: $(PROGRAMS) ## draw the pictures of the documentation, and record the demo if it has changed (images/pictures)
	@python3 images/pictures/record.py images/pictures/demo.txt sh tests/demo.sh '$(MAKE)' $(B)
	@python3 images/pictures/pictures.py images/pictures
	@python3 images/helm/dashboard.py images/helm/pod-identity-toolkit/monitoring/dashboard.json

picture-monitoring: $(PROGRAMS) ## draw Prometheus' page with the dashboard's queries anew, from the real programs; needs Debian's prometheus and chromium
	@sh tests/integration.sh build/test/picture tests/integration/agent/picture_of_monitoring.py

##@ Test
check-reproducible: $(SRC_STAMP) ## two clean builds in two folders give the same bytes
	@DISTFILES='$(abspath $(or $(DISTFILES),build/distfiles))' sh tests/reproducible.sh build/test '$(MAKE)' $(ARCH)

# ---- benchmarks ----
# Each prints one JSON document, and leaves it in build/bench. No verdicts: numbers of one machine at one time.
# Standard output is that document alone: what has to be built first says so on stderr.

##@ Benchmarks

bench: bench-init bench-sidecar bench-tls bench-attack bench-agent ## all benchmarks that need no other's program, about nine minutes

$(B)/bench/%: tests/bench/%.c $(DEPS_STAMP)
	@mkdir -p $(@D)
	$(CC_TARGET) -D_GNU_SOURCE $(OUR_CFLAGS) $(OUR_LDFLAGS) -s $< -o $@

BENCH_PROGRAMS = $(PROGRAMS) $(B)/bench/bare_exchange $(B)/bench/bare_server $(B)/bench/load

# bench_json NAME COMMAND: a benchmark that fails fails the target, and leaves the document before it.
bench_json = mkdir -p build/bench && $(2) >build/bench/$(1).json.new && mv build/bench/$(1).json.new build/bench/$(1).json && cat build/bench/$(1).json

bench-init: ## JSON: init beside one bare HTTP exchange
	@$(MAKE) --no-print-directory $(BENCH_PROGRAMS) >&2
	@$(call bench_json,init,python3 tests/bench/init.py $(B)/pod-identity-init $(B)/bench/bare_exchange $(ROUNDS))

bench-sidecar: ## JSON: the sidecar beside a bare server and nginx; PARTS='serving node' only those parts
	@$(MAKE) --no-print-directory $(BENCH_PROGRAMS) >&2
	@$(call bench_json,sidecar,python3 tests/bench/sidecar.py $(B) $(PARTS))

# The sidecar that says how long each round of its loop was busy.
HOLD_SIDECAR = $(B)/bench/pod-identity-sidecar-hold

$(B)/obj/tests/bench/hold.o: Makefile tests/tests.mk

$(HOLD_SIDECAR): $(B)/obj/tests/bench/hold.o $(SIDECAR_OBJ) $(COMMON)
	@mkdir -p $(@D)
	$(CC_TARGET) $(OUR_LDFLAGS) -Wl,--wrap=epoll_wait $^ -lcurl $(COMMON) -lbearssl -lcjson -o $@

bench-tls: ## JSON: how long a TLS handshake holds the sidecar's loop, by keys and curves
	@$(MAKE) --no-print-directory $(HOLD_SIDECAR) >&2
	@$(call bench_json,tls,python3 tests/bench/tls.py $(HOLD_SIDECAR))

bench-attack: ## JSON: honest clients of the sidecar with 1,024 rude ones on every listener, and without
	@$(MAKE) --no-print-directory $(BENCH_PROGRAMS) >&2
	@$(call bench_json,attack,python3 tests/bench/attack.py $(B))

bench-agent: ## JSON: the node agent beside a bare server, and beside the real agent if POD_IDENTITY_REAL_AGENT=PATH; PARTS='node start' only those parts
	@$(MAKE) --no-print-directory $(BENCH_PROGRAMS) >&2
	@$(call bench_json,agent,python3 tests/bench/agent.py $(B) $(PARTS))

# Beside EKS's webhook, which `make setup-e2e` builds from its Go module; the client is Go's, as the API server's is.
HOLD_WEBHOOK = $(B)/bench/pod-identity-webhook-hold

$(HOLD_WEBHOOK): $(B)/obj/tests/bench/hold.o $(WEBHOOK_OBJ) $(COMMON)
	@mkdir -p $(@D)
	$(CC_TARGET) $(OUR_LDFLAGS) -Wl,--wrap=epoll_wait $^ $(COMMON) -lbearssl -lcjson -o $@

$(B)/bench/admit: tests/bench/admit/main.go tests/bench/admit/go.mod
	@mkdir -p $(@D)
	cd tests/bench/admit && CGO_ENABLED=0 go build -trimpath -buildvcs=false -o '$(abspath $@)' .

bench-webhook: ## JSON: the webhook beside EKS's own, which has to be built (make setup-e2e); PARTS='memory serving' only those parts
	@$(MAKE) --no-print-directory $(BENCH_PROGRAMS) $(B)/bench/admit $(HOLD_WEBHOOK) >&2
	@$(call bench_json,webhook,python3 tests/bench/webhook.py $(B) $(B)/bench/admit $(HOLD_WEBHOOK) $(PARTS))

write-down: ## the numbers that the documentation quotes, from build/bench into tests/bench/numbers.json
	@python3 tests/bench/write_down.py
