# KMS Connector.  `make help` lists the targets.

PREFIX   ?= /usr
DESTDIR  ?=
S        ?= 60
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

.PHONY: all help deps check demo ready san fuzz bench install clean unit system lint format pages
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

$(B)/obj/executor/%.o: | $(PROTO_C)
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

# what is compiled into BUILD_HASH's users must follow the sources
$(B)/hash: FORCE
	@mkdir -p $(B); echo '$(HASH)' | cmp -s - $@ || echo '$(HASH)' > $@
FORCE:
$(B)/obj/common/proc.o: $(B)/hash

-include $(shell find $(B)/obj -name '*.d' 2>/dev/null)

clean:
	rm -rf $(B)
