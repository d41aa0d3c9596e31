# colibri: build, install, test. GNU make (gmake on FreeBSD).
#
#	make			everything, in build/
#	make check		every test, with TAP through prove
#	make check-asan		the same under ASan + UBSan, in build/asan/
#	make check-vm		what needs systemd and cgroups, in a virtual machine
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

ifeq ($(shell uname -s),FreeBSD)
SERVICE	= scripts/rc.d/colibri_daemon
SERVICE_MODE = 555
servicedir = $(PREFIX)/etc/rc.d
pkgconfigdir = $(PREFIX)/libdata/pkgconfig
else
SERVICE	= scripts/systemd/colibri-daemon.service
SERVICE_MODE = 644
servicedir = $(PREFIX)/lib/systemd/system
pkgconfigdir = $(PREFIX)/lib/pkgconfig
endif

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
CPPFLAGS += -iquote core -D_GNU_SOURCE $(shell $(PKG_CONFIG) --cflags $(PC)) \
	-DCOLIBRI_PREFIX='"$(PREFIX)"'
CFLAGS	?=
ALL_CFLAGS = -std=c11 $(OPT) $(WARN) $(HARDEN) $(CPPFLAGS) $(CFLAGS)
LDLIBS	= $(shell $(PKG_CONFIG) --libs $(PC)) -lm

# Everything but the mains is libcolibri.a. The shim and the test agent are
# programs of their own: small, without Lua, SQLite or libevent.
HOST_MAINS = main_daemon main_cli main_run
HOST_EXTRA = main_common
SHIM_SRC = $(wildcard core/agent_shim*.c core/shim_*.c)
OWN_SRC	= $(HOST_MAINS:%=core/%.c) $(HOST_EXTRA:%=core/%.c) $(SHIM_SRC) \
	core/test_agent.c
LIB_SRC	= $(filter-out $(OWN_SRC),$(wildcard core/*.c))
LIB_OBJ	= $(LIB_SRC:core/%.c=$(BUILD)/obj/%.o)
LIB	= $(BUILD)/libcolibri.a
# SOVERSION changes when a program built against an older colibri.h must not
# run with this library.
SOVERSION = 0
SHLIB	= $(BUILD)/libcolibri.so.$(SOVERSION)
VERSION	:= $(shell sed -n 's/.*COLIBRI_VERSION[^"]*"\(.*\)".*/\1/p' core/core.h)
HOST_OBJ = $(HOST_EXTRA:%=$(BUILD)/obj/%.o)
SHIM_OBJ = $(SHIM_SRC:core/%.c=$(BUILD)/obj/%.o) \
	$(patsubst %,$(BUILD)/obj/%.o,cgroup err mem platform secret secret_redact sock_peer)

PROGRAMS = $(patsubst %,$(BUILD)/%,colibri-daemon colibri colibri-run \
	colibri-agent-shim colibri-test-agent)

all: $(LIB) $(SHLIB) $(PROGRAMS)

$(BUILD)/colibri-daemon: $(BUILD)/obj/main_daemon.o $(HOST_OBJ) $(LIB)
	$(CC) $(ALL_CFLAGS) $(LDHARDEN) -o $@ $^ $(LDLIBS)

$(BUILD)/colibri: $(BUILD)/obj/main_cli.o $(HOST_OBJ) $(LIB)
	$(CC) $(ALL_CFLAGS) $(LDHARDEN) -o $@ $^ $(LDLIBS)

$(BUILD)/colibri-run: $(BUILD)/obj/main_run.o $(HOST_OBJ) $(LIB)
	$(CC) $(ALL_CFLAGS) $(LDHARDEN) -o $@ $^ $(LDLIBS)

$(BUILD)/colibri-agent-shim: $(SHIM_OBJ)
	$(CC) $(ALL_CFLAGS) $(LDHARDEN) -o $@ $^

# Static, so that it runs in an empty jail root.
$(BUILD)/colibri-test-agent: core/test_agent.c
	@mkdir -p $(@D)
	$(CC) -std=c11 -O2 $(WARN) -D_GNU_SOURCE -static -s -o $@ $<

$(BUILD)/obj/%.o: core/%.c
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

$(LIB): $(LIB_OBJ)
	@rm -f $@
	$(AR) rcs $@ $(LIB_OBJ)

# Only what core/libcolibri.map names can be seen. It is also the Lua module
# "colibri" of a stock interpreter, which has Lua itself.
$(SHLIB): $(LIB_OBJ) core/libcolibri.map
	$(CC) $(ALL_CFLAGS) -shared -Wl,-soname,$(notdir $@) \
		-Wl,--version-script=core/libcolibri.map -Wl,-z,relro \
		-Wl,-z,now -o $@ $(LIB_OBJ) $(LDLIBS)
	ln -sf $(notdir $@) $(BUILD)/libcolibri.so
	ln -sf $(notdir $@) $(BUILD)/colibri.so

# --- unit tests: each links only what its first line names, so a layering
# --- mistake does not link: /* links: fs err mem */
# Objects first, by this make: two that write one object at a time break it.
$(BUILD)/unit/%_test: tests/unit/%_test.c $(wildcard tests/unit/*.h) Makefile $(LIB_OBJ) $(SHIM_OBJ)
	@mkdir -p $(@D)
	$(MAKE) --no-print-directory BUILD=$(BUILD) SAN=$(SAN) \
		$$(sed -n '1s,.*links: *\(.*\) \*/,\1,p' $< | tr ' ' '\n' | sed 's,.*,$(BUILD)/obj/&.o,')
	$(CC) $(ALL_CFLAGS) -Itests/unit $(LDHARDEN) -o $@ $< \
		$$(sed -n '1s,.*links: *\(.*\) \*/,\1,p' $< | tr ' ' '\n' | sed 's,.*,$(BUILD)/obj/&.o,') \
		$(LDLIBS)

UNIT	= $(patsubst tests/unit/%.c,$(BUILD)/unit/%,$(wildcard tests/unit/*_test.c))

unit: $(UNIT)

# The longest first, so that none of them runs alone at the end.
LONGEST	= $(wildcard tests/e2e/vault_*_test.*) $(wildcard tests/check/gc_test.* \
	tests/check/fuzz_test.* tests/e2e/gate_test.* tests/e2e/limits_test.* \
	tests/e2e/chaos_test.*)
TESTS	= $(UNIT) $(wildcard tests/lua/*_test.lua \
	docs/examples/site/tests/*_test.lua tests/e2e/*_test.* \
	tests/check/*_test.*)

# What is repeated often enough to meet the rare case; less under sanitizers.
SIZES	= COLIBRI_TEST_STARTS=$${COLIBRI_TEST_STARTS:-10000} \
	COLIBRI_TEST_RELOADS=$${COLIBRI_TEST_RELOADS:-1000}

# prove says how many ran; JOBS tests run at a time: one more than the two cores
# that CI has, as many wait for bw most of the time.
JOBS	?= 3
check: all unit
	$(if $(SAN),,$(SIZES)) BUILD=$(abspath $(BUILD)) \
		prove --jobs $(JOBS) --exec tests/exec.sh \
		$(LONGEST) $(filter-out $(LONGEST),$(TESTS))

# The same programs under AddressSanitizer and UndefinedBehaviorSanitizer.
ASAN	= BUILD=build/asan SAN=address,undefined
check-asan:
	$(MAKE) $(ASAN) check

# Five minutes of chaos under sanitizers; slow enough to run beside the rest.
check-chaos:
	$(MAKE) $(ASAN) all
	COLIBRI_TEST_CHAOS_SECONDS=$${COLIBRI_TEST_CHAOS_SECONDS:-300} \
		COLIBRI_TEST_CHAOS_PACE=$${COLIBRI_TEST_CHAOS_PACE:-0.2} \
		BUILD=$(CURDIR)/build/asan \
		exec sh tests/exec.sh tests/e2e/chaos_test.lua

# What needs systemd, cgroups or nspawn: in a virtual machine (as root; apt).
check-vm:
	sh scripts/check-vm.sh

lint:
	BUILD=build sh tests/check/lint_test.sh

# Rates and latencies next to a baseline in the same run, as ratios.
bench: all
	for b in requests register script spawn start agents vault; do \
		BUILD=$(abspath $(BUILD)) sh tests/bench/$$b.sh || exit 1; done

# Every C file against FreeBSD's headers, by Zig (--install fetches it).
check-freebsd:
	sh scripts/check-freebsd.sh

# What docs/api.lua describes: API.md, the tables of other pages, lua/meta/.
docs: all
	COLIBRI_SHARE_DIR=$(CURDIR) COLIBRI_SITE_DIR=$(CURDIR)/build/no-site \
		$(BUILD)/colibri-run --log-level error scripts/docs.lua

fuzz:
	sh tests/fuzz/run.sh

format:
	clang-format -i core/*.[ch] tests/unit/*.[ch]

install: all
	install -d $(DESTDIR)$(bindir) $(DESTDIR)$(sbindir) \
		$(DESTDIR)$(libexecdir) $(DESTDIR)$(libdir) \
		$(DESTDIR)$(includedir) $(DESTDIR)$(sharedir)
	install -m 755 $(BUILD)/colibri $(BUILD)/colibri-run \
		$(BUILD)/colibri-test-agent $(DESTDIR)$(bindir)
	install -m 755 $(BUILD)/colibri-daemon $(DESTDIR)$(sbindir)
	install -m 755 $(BUILD)/colibri-agent-shim $(DESTDIR)$(libexecdir)
	install -m 644 $(LIB) $(SHLIB) $(DESTDIR)$(libdir)
	ln -sf $(notdir $(SHLIB)) $(DESTDIR)$(libdir)/libcolibri.so
	install -d $(DESTDIR)$(libdir)/lua/5.4 $(DESTDIR)$(pkgconfigdir)
	ln -sf ../../$(notdir $(SHLIB)) $(DESTDIR)$(libdir)/lua/5.4/colibri.so
	install -m 644 core/colibri.h $(DESTDIR)$(includedir)
	sed 's,@PREFIX@,$(PREFIX),; s,@VERSION@,$(VERSION),; s,@PC@,$(PC),' \
		core/colibri.pc.in >$(DESTDIR)$(pkgconfigdir)/colibri.pc
	chmod 644 $(DESTDIR)$(pkgconfigdir)/colibri.pc
	for d in $$(find lua hooks scripts -type d) docs docs/api; do \
		install -d $(DESTDIR)$(sharedir)/$$d || exit 1; done
	for f in $$(find lua hooks -type f) $$(find scripts -name '*.lua') \
		docs/api.lua docs/api/*.lua; do \
		install -m 644 $$f $(DESTDIR)$(sharedir)/$$f || exit 1; done
	sed 's,/usr/local,$(PREFIX),g' docs/examples/luarc.json \
		>$(DESTDIR)$(sharedir)/luarc.json
	chmod 644 $(DESTDIR)$(sharedir)/luarc.json
	install -m 755 scripts/agent-jail-bootstrap.sh \
		$(DESTDIR)$(sharedir)/scripts
	install -d $(DESTDIR)$(servicedir)
	sed 's,/usr/local,$(PREFIX),g' $(SERVICE) \
		>$(DESTDIR)$(servicedir)/$(notdir $(SERVICE))
	chmod $(SERVICE_MODE) $(DESTDIR)$(servicedir)/$(notdir $(SERVICE))
	for m in docs/man/*.[1-9]; do [ -f $$m ] || continue; \
		install -d $(DESTDIR)$(mandir)/man$${m##*.} && \
		install -m 644 $$m $(DESTDIR)$(mandir)/man$${m##*.} || exit 1; \
	done

uninstall:
	rm -f $(patsubst %,$(DESTDIR)$(bindir)/%,colibri colibri-run \
		colibri-test-agent) $(DESTDIR)$(sbindir)/colibri-daemon \
		$(patsubst %,$(DESTDIR)$(libdir)/%,libcolibri.a libcolibri.so \
		$(notdir $(SHLIB)) lua/5.4/colibri.so) \
		$(DESTDIR)$(pkgconfigdir)/colibri.pc \
		$(DESTDIR)$(includedir)/colibri.h \
		$(DESTDIR)$(servicedir)/$(notdir $(SERVICE))
	rm -rf $(DESTDIR)$(sharedir) $(DESTDIR)$(libexecdir)
	for m in docs/man/*.[1-9]; do \
		rm -f $(DESTDIR)$(mandir)/man$${m##*.}/$${m##*/}; done

clean:
	rm -rf build

-include $(wildcard $(BUILD)/obj/*.d)
.PHONY: all unit check check-asan check-chaos check-freebsd check-vm bench docs fuzz \
	lint format install uninstall clean
.SECONDARY:
