/*
 * lua_sys.c - core.sys, core.clock, core.log: facts, time and the log.
 */
#include <dirent.h>
#include <grp.h>
#include <math.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <lauxlib.h>
#include <lua.h>

#include "jail.h"
#include "log.h"
#include "lua_open.h"
#include "lx.h"
#include "platform.h"
#include "secret.h"
#include "task.h"
#include "vm.h"

/* --- core.clock --- */

static double
clock_read(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* clock.now() -> UNIX seconds */
static int
lclock_now(lua_State *L)
{
	lx_checknargs(L, 0);
	lua_pushnumber(L, clock_read(CLOCK_REALTIME));
	return 1;
}

/* clock.monotonic() -> seconds that never go back */
static int
lclock_monotonic(lua_State *L)
{
	lx_checknargs(L, 0);
	lua_pushnumber(L, clock_read(CLOCK_MONOTONIC));
	return 1;
}

/* clock.iso(seconds) -> "2026-11-24T01:53:10Z" (UTC) */
static int
lclock_iso(lua_State *L)
{
	double at = luaL_checknumber(L, 1);
	struct tm tm;
	time_t t;
	char text[40];

	lx_checknargs(L, 1);
	luaL_argcheck(L, at >= 0 && at < 2.5e11, 1, "not a UNIX time");
	t = (time_t)at;
	gmtime_r(&t, &tm);
	strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm);
	lua_pushstring(L, text);
	return 1;
}

/* clock.fields(seconds) -> { year, month, day, hour, min, sec, wday } in UTC;
 * wday 1 is Monday (ISO 8601) */
static int
lclock_fields(lua_State *L)
{
	double at = luaL_checknumber(L, 1);
	struct tm tm;
	time_t t;
	size_t i;

	lx_checknargs(L, 1);
	luaL_argcheck(L, at >= 0 && at < 2.5e11, 1, "not a UNIX time");
	t = (time_t)at;
	gmtime_r(&t, &tm);
	const struct { const char *name; int value; } fields[] = {
		{ "year", tm.tm_year + 1900 }, { "month", tm.tm_mon + 1 },
		{ "day", tm.tm_mday }, { "hour", tm.tm_hour },
		{ "min", tm.tm_min }, { "sec", tm.tm_sec },
		{ "wday", tm.tm_wday == 0 ? 7 : tm.tm_wday },
	};
	lua_createtable(L, 0, (int)ARRAY_LEN(fields));
	for (i = 0; i < ARRAY_LEN(fields); i++) {
		lua_pushinteger(L, fields[i].value);
		lua_setfield(L, -2, fields[i].name);
	}
	return 1;
}

int
luaopen_core_clock(lua_State *L)
{
	static const luaL_Reg funcs[] = {
		{ "now", lclock_now },
		{ "monotonic", lclock_monotonic },
		{ "iso", lclock_iso },
		{ "fields", lclock_fields },
		{ NULL, NULL }
	};

	luaL_newlib(L, funcs);
	return 1;
}

/* --- core.log --- */

#define LOG_FIELDS_MAX	16

static int
log_field_compare(const void *a, const void *b)
{
	return strcmp(((const struct log_field *)a)->key,
	    ((const struct log_field *)b)->key);
}

/* Fill fields from the table at index 4, sorted by key; the texts stay on the
 * stack. */
static size_t
log_collect(lua_State *L, struct log_field *fields)
{
	size_t n = 0;

	luaL_checktype(L, 4, LUA_TTABLE);
	lua_settop(L, 4);
	luaL_checkstack(L, LOG_FIELDS_MAX + 4, "log fields");
	lua_pushnil(L);
	while (n < LOG_FIELDS_MAX && lua_next(L, 4) != 0) {
		if (lua_type(L, -2) != LUA_TSTRING) {
			lua_pop(L, 1);
			continue;
		}
		fields[n].key = lua_tostring(L, -2);
		fields[n++].value = luaL_tolstring(L, -1, NULL);
		lua_remove(L, -2);	/* the value; its text stays */
		lua_insert(L, -2);	/* below the key, for lua_next */
	}
	qsort(fields, n, sizeof(*fields), log_field_compare);
	return n;
}

/* log.write(level, topic, message[, fields]): fields is a table of strings,
 * numbers and booleans; a secret is written as [secret]. */
static int
llog_write(lua_State *L)
{
	struct log_field fields[LOG_FIELDS_MAX];
	enum log_level level;
	const char *topic = lx_checkstr(L, 2);
	const char *msg = luaL_checkstring(L, 3);
	size_t n = 0;

	luaL_argcheck(L, log_level_parse(luaL_checkstring(L, 1), &level) == 0,
	    1, "no such level");
	if (!log_enabled(level))
		return 0;
	if (!lua_isnoneornil(L, 4))
		n = log_collect(L, fields);
	log_write(level, topic, msg, fields, n);
	return 0;
}

int
luaopen_core_log(lua_State *L)
{
	static const luaL_Reg funcs[] = {
		{ "write", llog_write },
		{ NULL, NULL }
	};

	luaL_newlib(L, funcs);
	lua_pushboolean(L, log_enabled(LOG_DEBUG));
	lua_setfield(L, -2, "debugging");
	return 1;
}

/* --- core.sys --- */

/* sys.stats() -> { lua_bytes, tasks, ops, secrets, fds } */
static int
lsys_stats(lua_State *L)
{
	struct vm *vm = vm_of(L);
	lua_Integer fds = 0;
	DIR *d;

	lx_checknargs(L, 0);
	d = opendir("/dev/fd");
	if (d != NULL) {
		while (readdir(d) != NULL)
			fds++;
		closedir(d);
		fds -= 3;	/* ".", ".." and the directory itself */
	}
	lua_createtable(L, 0, 5);
	lua_pushinteger(L, (lua_Integer)vm_memory(vm));
	lua_setfield(L, -2, "lua_bytes");
	lua_pushinteger(L, (lua_Integer)task_count(vm));
	lua_setfield(L, -2, "tasks");
	lua_pushinteger(L, (lua_Integer)op_count(vm));
	lua_setfield(L, -2, "ops");
	lua_pushinteger(L, (lua_Integer)secret_count());
	lua_setfield(L, -2, "secrets");
	lua_pushinteger(L, fds);
	lua_setfield(L, -2, "fds");
	return 1;
}

/* sys.lookup_user(name) -> { uid, gid } | nil: users of the host */
static int
lsys_lookup_user(lua_State *L)
{
	const struct passwd *pw;

	lx_checknargs(L, 1);
	pw = getpwnam(lx_checkstr(L, 1));
	if (pw == NULL)
		return 0;
	lua_createtable(L, 0, 2);
	lua_pushinteger(L, pw->pw_uid);
	lua_setfield(L, -2, "uid");
	lua_pushinteger(L, pw->pw_gid);
	lua_setfield(L, -2, "gid");
	return 1;
}

/* sys.uuid() -> a random UUID (RFC 9562, version 4) */
static int
lsys_uuid(lua_State *L)
{
	unsigned char b[16];
	char text[40];

	lx_checknargs(L, 0);
	if (getentropy(b, sizeof(b)) != 0)
		return luaL_error(L, "no random bytes from the system");
	b[6] = (unsigned char)((b[6] & 0x0f) | 0x40);
	b[8] = (unsigned char)((b[8] & 0x3f) | 0x80);
	snprintf(text, sizeof(text), "%02x%02x%02x%02x-%02x%02x-%02x%02x-"
	    "%02x%02x-%02x%02x%02x%02x%02x%02x", b[0], b[1], b[2], b[3], b[4],
	    b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13], b[14],
	    b[15]);
	lua_pushstring(L, text);
	return 1;
}

/* sys.hostname() -> string */
static int
lsys_hostname(lua_State *L)
{
	char name[256];

	lx_checknargs(L, 0);
	if (gethostname(name, sizeof(name)) != 0)
		strcpy(name, "unknown");
	name[sizeof(name) - 1] = '\0';
	lua_pushstring(L, name);
	return 1;
}

/* sys.jail_lookup(name) -> { jid, path } | nil, err(JailNotFound,
 * JailUnsupported) */
static int
lsys_jail_lookup(lua_State *L)
{
	struct jail_info info;
	struct err e = ERR_INIT;

	lx_checknargs(L, 1);
	if (jail_lookup(lx_checkstr(L, 1), &info, &e) != 0)
		return lx_fail(L, &e);
	lua_createtable(L, 0, 2);
	lua_pushinteger(L, info.jid);
	lua_setfield(L, -2, "jid");
	lua_pushstring(L, info.path);
	lua_setfield(L, -2, "path");
	return 1;
}

/* sys.program(name) -> path | nil: a program of ours, beside the running one
 * (a build tree) or where `make install` puts it */
static int
lsys_program(lua_State *L)
{
	static const char *const dirs[] = { "bin", "sbin", "libexec/colibri" };
	const char *name = lx_checkstr(L, 1), *path;
	char exe[4096];
	char *slash;
	size_t i;

	lx_checknargs(L, 1);
	luaL_argcheck(L, strchr(name, '/') == NULL, 1, "a bare name");
	if (platform_executable(exe, sizeof(exe)) != 0)
		exe[0] = '\0';
	slash = strrchr(exe, '/');
	if (slash != NULL)
		*slash = '\0';
	path = lua_pushfstring(L, "%s/%s", exe, name);
	if (access(path, X_OK) == 0)
		return 1;
	/* The prefix this runs from, then the one it was built for. */
	slash = strrchr(exe, '/');
	if (slash != NULL)
		*slash = '\0';
	for (i = 0; i < 2 * ARRAY_LEN(dirs); i++) {
		path = lua_pushfstring(L, "%s/%s/%s",
		    i < ARRAY_LEN(dirs) ? exe : COLIBRI_PREFIX,
		    dirs[i % ARRAY_LEN(dirs)], name);
		if (access(path, X_OK) == 0)
			return 1;
	}
	return 0;
}

/* The settings in force as a table of text, number or nothing. */
static void
push_conf(lua_State *L, const struct conf *conf)
{
	const struct conf_item *items;
	size_t i, n = conf_items(&items);
	char buf[4200];
	const char *text;

	lua_createtable(L, 0, (int)n);
	for (i = 0; i < n; i++) {
		text = conf_value(conf, items[i].name, buf, sizeof(buf));
		if (text == NULL)
			continue;
		if (lua_stringtonumber(L, text) == 0)
			lua_pushstring(L, text);
		lua_setfield(L, -2, items[i].name);
	}
}

int
luaopen_core_sys(lua_State *L)
{
	static const luaL_Reg funcs[] = {
		{ "stats", lsys_stats },
		{ "lookup_user", lsys_lookup_user },
		{ "uuid", lsys_uuid },
		{ "hostname", lsys_hostname },
		{ "jail_lookup", lsys_jail_lookup },
		{ "program", lsys_program },
		{ NULL, NULL }
	};

	char cwd[4096];

	luaL_newlib(L, funcs);
	push_conf(L, vm_conf(vm_of(L)));
	lua_setfield(L, -2, "conf");
	if (getcwd(cwd, sizeof(cwd)) != NULL) {
		lua_pushstring(L, cwd);
		lua_setfield(L, -2, "cwd");
	}
	lua_pushliteral(L, COLIBRI_VERSION);
	lua_setfield(L, -2, "version");
	lua_pushinteger(L, COLIBRI_PROTOCOL);
	lua_setfield(L, -2, "protocol");
	lua_pushinteger(L, COLIBRI_API);
	lua_setfield(L, -2, "api");
	lua_pushstring(L, jail_platform());
	lua_setfield(L, -2, "platform");
	lua_pushinteger(L, (lua_Integer)geteuid());
	lua_setfield(L, -2, "uid");
	lua_pushinteger(L, (lua_Integer)getegid());
	lua_setfield(L, -2, "gid");
	lua_pushinteger(L, (lua_Integer)getpid());
	lua_setfield(L, -2, "pid");
	return 1;
}
