# colibri: build, install, test. GNU make (gmake on FreeBSD).
#
#	make			everything, in build/
#	make check		every test, with TAP through prove
#	make check-asan		the same under ASan + UBSan, in build/asan/
#	make install		below DESTDIR/PREFIX
#
# BUILD names the output directory, SAN a sanitizer list.

PREFIX	?= /usr/local
DESTDIR	?=
BUILD	?= build
SAN	?=
CC	?= cc
AR	?= ar
PKG_CONFIG ?= pkg-config

bindir	= $(PREFIX)/bin
sbindir	= $(PREFIX)/sbin
libdir	= $(PREFIX)/lib
libexecdir = $(PREFIX)/libexec/colibri
includedir = $(PREFIX)/include
sharedir = $(PREFIX)/share/colibri
mandir	= $(PREFIX)/share/man

# Debian and FreeBSD name Lua's pkg-config file differently.
LUA_PC	:= $(shell for p in lua5.4 lua-5.4 lua54; do \
	$(PKG_CONFIG) --exists $$p && echo $$p && break; done)
PC	= $(LUA_PC) libevent_core sqlite3

WARN	= -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes \
	-Wpointer-arith -Wcast-qual -Wwrite-strings -Wundef -Wvla -Wformat=2 \
	-Wno-format-nonliteral
HARDEN	= -fstack-protector-strong -fPIC -D_FORTIFY_SOURCE=2
LDHARDEN = -Wl,-z,relro -Wl,-z,now -pie
OPT	?= -O2 -g
ifneq ($(SAN),)
HARDEN	= -fPIC -fno-omit-frame-pointer -fsanitize=$(SAN) -fno-sanitize-recover=all
LDHARDEN = -fsanitize=$(SAN) -pie
OPT	= -O1 -g
endif
CPPFLAGS += -Icore -D_GNU_SOURCE $(shell $(PKG_CONFIG) --cflags $(PC)) \
	-DCOLIBRI_PREFIX='"$(PREFIX)"'
CFLAGS	?=
ALL_CFLAGS = -std=c11 $(OPT) $(WARN) $(HARDEN) $(CPPFLAGS) $(CFLAGS)
LDLIBS	= $(shell $(PKG_CONFIG) --libs $(PC)) -lm

# Everything but the mains is libcolibri.a.
MAINS	= main_daemon main_cli main_run agent_shim test_agent
LIB_SRC	= $(filter-out $(MAINS:%=core/%.c),$(wildcard core/*.c))
LIB_OBJ	= $(LIB_SRC:core/%.c=$(BUILD)/obj/%.o)
LIB	= $(BUILD)/libcolibri.a

all: $(BUILD)/libcolibri.a

$(BUILD)/obj/%.o: core/%.c
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

$(LIB): $(LIB_OBJ)
	@rm -f $@
	$(AR) rcs $@ $(LIB_OBJ)

# --- unit tests: each links only what its first line names, so a layering
# --- mistake does not link: /* links: fs err mem */
$(BUILD)/unit/%_test: tests/unit/%_test.c tests/unit/check.h Makefile
	@mkdir -p $(@D)
	$(MAKE) --no-print-directory BUILD=$(BUILD) SAN=$(SAN) \
		$$(sed -n '1s,.*links: *\(.*\) \*/,\1,p' $< | tr ' ' '\n' | sed 's,.*,$(BUILD)/obj/&.o,')
	$(CC) $(ALL_CFLAGS) -Itests/unit $(LDHARDEN) -o $@ $< \
		$$(sed -n '1s,.*links: *\(.*\) \*/,\1,p' $< | tr ' ' '\n' | sed 's,.*,$(BUILD)/obj/&.o,') \
		$(LDLIBS)

-include $(wildcard $(BUILD)/obj/*.d)
.PHONY: all
