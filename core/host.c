/*
 * host.c - the embeddable host: conf + loop + reaper + vm, and what runs in it.
 *
 * The three programs (main_daemon.c, main_cli.c, main_run.c) are this host with
 * a different Lua module started in it.
 */
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <lauxlib.h>
#include <lua.h>

#include "colibri.h"
#include "conf.h"
#include "host.h"
#include "log.h"
#include "loop.h"
#include "lua_open.h"
#include "lx.h"
#include "mem.h"
#include "reaper.h"
#include "task.h"
#include "vm.h"
#include "vm_load.h"

struct colibri {
	struct conf *conf;
	struct loop *loop;
	struct reaper *reaper;
	struct vm *vm;
	int status;
};

struct started {
	struct colibri *host;
	colibri_done_cb *cb;
	void *arg;
};

const char *
colibri_version(void)
{
	return COLIBRI_VERSION;
}

struct lua_State *
colibri_lua(struct colibri *host)
{
	return vm_lua(host->vm);
}

static int
host_open_libs(lua_State *L)
{
	lua_open_all(L);
	vm_preload(L, "core.server", luaopen_core_server);
	vm_preload(L, "core.stdio", luaopen_core_stdio);
	return 0;
}

struct colibri *
host_new(struct conf *conf, struct event_base *base, struct err *e)
{
	struct colibri *h = xcalloc(1, sizeof(*h));
	lua_State *L;

	h->conf = conf;
	h->loop = loop_new(base, e);
	if (h->loop != NULL)
		h->reaper = reaper_new(h->loop, e);
	if (h->reaper != NULL)
		h->vm = vm_new(h->loop, h->reaper, conf, e);
	if (h->vm == NULL) {
		colibri_free(h);
		return NULL;
	}
	L = vm_lua(h->vm);
	lua_pushcfunction(L, host_open_libs);
	if (vm_call(L, 0, 0, e) != 0) {
		colibri_free(h);
		return NULL;
	}
	return h;
}

/* Every mistake of the configuration, one per line. */
static void
host_conf_errors(const struct conf_errors *errors, char *err, size_t size)
{
	size_t i, len = 0;

	for (i = 0; i < errors->n && len < size; i++)
		len += (size_t)snprintf(err + len, size - len, "%s%s",
		    i > 0 ? "\n" : "", errors->texts[i]);
}

/* The settings that the options and the environment give, or NULL. */
static struct conf *
host_conf_load(const struct colibri_options *options, char *err,
    size_t err_size)
{
	struct conf_errors errors = { 0 };
	struct conf *conf;
	char **argv;
	int argc = options->argc + 1, i;

	argv = xcalloc((size_t)argc + 1, sizeof(*argv));
	argv[0] = xstrdup("colibri");
	for (i = 1; i < argc; i++)
		argv[i] = options->argv[i - 1];
	conf = conf_load(&argc, argv, NULL, &errors);
	if (conf == NULL) {
		host_conf_errors(&errors, err, err_size);
		conf_errors_free(&errors);
	} else if (argc > 1) {
		snprintf(err, err_size, "'%s' is no setting", argv[1]);
		conf_free(conf);
		conf = NULL;
	}
	free(argv[0]);
	free(argv);
	return conf;
}

struct colibri *
colibri_new(const struct colibri_options *options, char *err, size_t err_size)
{
	static const struct colibri_options defaults = { 0 };
	struct err e = ERR_INIT;
	struct colibri *h;
	struct conf *conf;

	if (options == NULL)
		options = &defaults;
	if (err_size > 0)
		err[0] = '\0';
	conf = host_conf_load(options, err, err_size);
	if (conf == NULL)
		return NULL;
	log_setup(options->log_fd > 0 ? options->log_fd : STDERR_FILENO,
	    conf->log_level, conf->log_format);
	h = host_new(conf, options->base, &e);
	if (h == NULL)
		snprintf(err, err_size, "%s", e.text);
	else if (options->keep_signals)
		server_keep_signals(h->vm);
	return h;
}

void
colibri_free(struct colibri *h)
{
	if (h == NULL)
		return;
	vm_free(h->vm);
	reaper_free(h->reaper);
	loop_free(h->loop);
	conf_free(h->conf);
	free(h);
}

int
colibri_add_path(struct colibri *h, const char *dir)
{
	return vm_add_path(h->vm, dir);
}

struct module_call {
	const char *name;
	lua_CFunction open;
};

/* Protected: make a module known to require, and to scripts. */
static int
host_add_module(lua_State *L)
{
	struct module_call *call = lua_touserdata(L, 1);

	vm_preload(L, call->name, call->open);
	vm_require(L, "colibri.sandbox");
	lua_getfield(L, -1, "allow");
	lua_pushstring(L, call->name);
	lua_call(L, 1, 0);
	return 0;
}

int
colibri_add_module(struct colibri *h, const char *name,
    int (*open)(struct lua_State *))
{
	struct module_call call = { name, open };
	lua_State *L = vm_lua(h->vm);

	lua_pushcfunction(L, host_add_module);
	lua_pushlightuserdata(L, &call);
	if (vm_call(L, 1, 0, NULL) == 0)
		return 0;
	lua_pop(L, 1);
	return -1;
}

static void
started_done(struct task *t, lua_State *L, bool ok, int nresults, void *arg)
{
	struct started *s = arg;
	struct err e = ERR_INIT;
	char text[1200] = "";
	int status = 0;

	(void)t;
	if (!ok) {
		lx_to_err(L, -1, &e);
		lua_getfield(L, -1, "where");
		snprintf(text, sizeof(text), "%s%s%s: %s",
		    lua_isstring(L, -1) ? lua_tostring(L, -1) : "",
		    lua_isstring(L, -1) ? ": " : "", e.code, e.text);
		lua_pop(L, 1);
		lua_getfield(L, -1, "traceback");
		if (lua_isstring(L, -1))
			log_debug("host", "%s", lua_tostring(L, -1));
		lua_pop(L, 1);
		status = 1;
	} else if (nresults > 0 && lua_isinteger(L, 1)) {
		status = (int)lua_tointeger(L, 1);
	} else if (nresults > 0 && !lua_toboolean(L, 1) && nresults > 1) {
		lx_to_err(L, 2, &e);
		snprintf(text, sizeof(text), "%s: %s", e.code, e.text);
		status = 1;
	}
	if (s->cb != NULL)
		s->cb(status, text, s->arg);
	free(s);
}

struct start_call {
	const char *module;
	int argc;
	char **argv;
	struct started *started;
};

/* Protected: require the module and start its main as a task. Our own modules
 * are not counted until they call somebody else's code (task_arm). */
static int
host_start(lua_State *L)
{
	static const struct task_limits shipped = { .arm_later = true };
	struct start_call *call = lua_touserdata(L, 1);
	bool ours = strncmp(call->module, "colibri.", 8) == 0;
	int i;

	luaL_checkstack(L, call->argc + 10, "arguments");
	vm_require(L, call->module);
	if (!lua_istable(L, -1) ||
	    lua_getfield(L, -1, "main") != LUA_TFUNCTION)
		return luaL_error(L, "module '%s' has no main",
		    call->module);
	for (i = 0; i < call->argc; i++)
		lua_pushstring(L, call->argv[i]);
	task_start(L, call->argc, call->module, ours ? &shipped : NULL, NULL,
	    started_done, call->started);
	return 0;
}

int
colibri_start(struct colibri *h, const char *module, int argc, char **argv,
    colibri_done_cb *cb, void *arg)
{
	struct started *s = xcalloc(1, sizeof(*s));
	struct start_call call = { module, argc, argv, s };
	lua_State *L = vm_lua(h->vm);
	struct err e = ERR_INIT;
	char text[600];
	int rc;

	*s = (struct started){ h, cb, arg };
	lua_pushcfunction(L, host_start);
	lua_pushlightuserdata(L, &call);
	/* Modules that are loaded leave next to nothing to collect. */
	lua_gc(L, LUA_GCSTOP, 0);
	rc = vm_call(L, 1, 0, &e);
	lua_gc(L, LUA_GCRESTART, 0);
	if (rc == 0)
		return 0;
	snprintf(text, sizeof(text), "%s: %s", e.code, e.text);
	lua_pop(L, 1);
	free(s);
	if (cb != NULL)
		cb(1, text, arg);
	return -1;
}

int
colibri_run_script(struct colibri *h, const char *path, int argc, char **argv,
    colibri_done_cb *cb, void *arg)
{
	char **words = xcalloc((size_t)argc + 2, sizeof(*words));
	int i, rc;

	words[0] = xstrdup(path);
	for (i = 0; i < argc; i++)
		words[i + 1] = argv[i];
	rc = colibri_start(h, "colibri.run", argc + 1, words, cb, arg);
	free(words[0]);
	free(words);
	return rc;
}

int
colibri_serve(struct colibri *h, colibri_done_cb *cb, void *arg)
{
	return colibri_start(h, "colibri.daemon", 0, NULL, cb, arg);
}

int
colibri_run(struct colibri *h)
{
	struct err e = ERR_INIT;

	if (loop_run(h->loop, &e) != 0) {
		log_error("host", "%s", e.text);
		return 1;
	}
	return h->status;
}

void
colibri_stop(struct colibri *h, int status)
{
	h->status = status;
	loop_stop(h->loop);
}

int
colibri_signal(struct colibri *h, int signo)
{
	return server_signal(h->vm, signo);
}
