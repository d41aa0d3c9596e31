/*
 * conf_table.c - the settings and their defaults on each platform; the only
 * place where conf knows which system it runs on.
 */
#include <sys/types.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "conf_priv.h"
#include "mem.h"
#include "platform.h"

#ifdef __FreeBSD__
#define RUN_DIR		"/var/run/colibri"
#define DATA_DIR	"/var/db/colibri"
#define ETC_DIR		"/usr/local/etc/colibri"
#define JAILS_DIR	"/usr/local/bastille/jails"
#define JAIL_BACKEND	"jexec"
#define PRIV_TOOL	"mdo"
#else
#define RUN_DIR		"/run/colibri"
#define DATA_DIR	"/var/lib/colibri"
#define ETC_DIR		"/etc/colibri"
#define JAILS_DIR	"/var/lib/machines"
#define JAIL_BACKEND	"bwrap"
#define PRIV_TOOL	"sudo"
#endif

#define SOCKET_PATH_MAX	(sizeof(((struct sockaddr_un *)0)->sun_path) - 1)

/* A build tree runs from itself: its programs are one or two directories below
 * the one that holds lua/colibri. */
static char *
default_share_dir(const struct conf *c)
{
	char path[PATH_MAX], *slash, *probe;
	struct stat st;
	bool found;
	int up;

	(void)c;
	if (platform_executable(path, sizeof(path)) != 0)
		path[0] = '\0';
	for (up = 0; (slash = strrchr(path, '/')) != NULL && up <= 2; up++) {
		*slash = '\0';
		if (up == 0)
			continue;
		probe = xasprintf("%s/lua/colibri", path);
		found = stat(probe, &st) == 0 && S_ISDIR(st.st_mode);
		free(probe);
		if (found)
			return xstrdup(path[0] != '\0' ? path : "/");
	}
	return xstrdup(COLIBRI_PREFIX "/share/colibri");
}

static char *
default_vault_dir(const struct conf *c)
{
	if (c->provider_env == NULL)	/* a mistake, reported already */
		return NULL;
	return xasprintf("%.*s/vault",
	    (int)(strrchr(c->provider_env, '/') - c->provider_env),
	    c->provider_env);
}

static char *
default_jail_priv_mode(const struct conf *c)
{
	(void)c;
	return xstrdup(geteuid() == 0 ? "none" : PRIV_TOOL);
}

static const char *const priv_modes[] = { "none", "mdo", "sudo", "helper", NULL };
static const char *const shutdowns[] = { "leave", "stop", NULL };
/* In the order of enum log_level and enum log_format. */
static const char *const levels[] = { "error", "warn", "info", "debug", NULL };
static const char *const formats[] = { "text", "json", NULL };

#define ITEM(field, env, flag, help)					\
	.item = { #field, "COLIBRI_" env, flag, help },			\
	.offset = offsetof(struct conf, field)
#define KIB	INT64_C(1024)
#define MIB	(1024 * KIB)
#define LONGEST	1000000000	/* seconds; 31 years */

const struct conf_row conf_rows[] = {
	{ ITEM(socket_path, "DAEMON_SOCKET", "socket", "the daemon's socket"),
	  .kind = CONF_PATH, .def = RUN_DIR "/colibri.sock",
	  .max = SOCKET_PATH_MAX },
	{ ITEM(db_path, "DB_PATH", "db", "the database file"),
	  .kind = CONF_PATH, .def = DATA_DIR "/colibri.sqlite" },
	{ ITEM(provider_env, "PROVIDER_ENV", "provider-env",
	    "file with the vault's credentials"),
	  .kind = CONF_PATH, .def = ETC_DIR "/provider.env" },
	{ ITEM(jail_root_base, "JAIL_ROOT_BASE", "jail-root-base",
	    "directory all jail roots are below"),
	  .kind = CONF_PATH, .def = JAILS_DIR },
	{ ITEM(site_dir, "SITE_DIR", "site-dir",
	    "directory of the site's own scripts"),
	  .kind = CONF_PATH, .def = ETC_DIR "/site" },
	{ ITEM(share_dir, "SHARE_DIR", "share-dir",
	    "directory of the shipped scripts"),
	  .kind = CONF_PATH, .compute = default_share_dir },
	{ ITEM(state_dir, "STATE_DIR", "state-dir",
	    "directory of agent logs and vault sessions"),
	  .kind = CONF_PATH, .def = DATA_DIR "/state" },
	{ ITEM(bw, "BW", "bw",
	    "the Bitwarden CLI (default: bw in the usual places)"),
	  .kind = CONF_PATH },
	{ ITEM(vault, "VAULT", "vault", "vault adapter: bw, file"),
	  .kind = CONF_WORD, .def = "bw" },
	{ ITEM(vault_dir, "VAULT_DIR", "vault-dir",
	    "directory of the file vault"),
	  .kind = CONF_PATH, .compute = default_vault_dir },
	{ ITEM(jail_backend, "JAIL_BACKEND", "jail-backend",
	    "jail launcher: jexec, jail, bwrap, nspawn, none"),
	  .kind = CONF_WORD, .def = JAIL_BACKEND },
	{ ITEM(jail_priv_mode, "JAIL_PRIV_MODE", "jail-priv-mode",
	    "how the launcher becomes root: none, mdo, sudo, helper"),
	  .kind = CONF_CHOICE, .choices = priv_modes,
	  .compute = default_jail_priv_mode },
	{ ITEM(cgroup, "CGROUP", "cgroup",
	    "cgroup (v2) directory for agents with limits (default: none)"),
	  .kind = CONF_PATH },
	{ ITEM(log_level, "LOG_LEVEL", "log-level",
	    "error, warn, info, debug"),
	  .kind = CONF_ENUM, .choices = levels, .def = "info" },
	{ ITEM(log_format, "LOG_FORMAT", "log-format", "text, json"),
	  .kind = CONF_ENUM, .choices = formats, .def = "text" },
	{ ITEM(log_size, "LOG_SIZE", "log-size",
	    "bytes of an agent's log after which a new file begins"),
	  .kind = CONF_INT, .def = "8388608", .min = 1 * KIB,
	  .max = MIB * MIB },
	{ ITEM(log_keep, "LOG_KEEP", "log-keep",
	    "files of an agent's stdout, and of its stderr, that are kept"),
	  .kind = CONF_INT, .def = "4", .min = 1, .max = 10000 },
	{ ITEM(agents_keep, "AGENTS_KEEP", "agents-keep",
	    "agents that have ended whose logs are kept"),
	  .kind = CONF_INT, .def = "1000", .min = 0, .max = 100000000 },
	{ ITEM(agents_keep_age, "AGENTS_KEEP_AGE", "agents-keep-age",
	    "seconds they are kept at most; 0: no limit"),
	  .kind = CONF_SECONDS, .def = "2592000", .max = LONGEST },
	{ ITEM(shutdown, "SHUTDOWN", "shutdown",
	    "what a stopping daemon does with agents: leave, stop"),
	  .kind = CONF_CHOICE, .choices = shutdowns, .def = "leave" },
	{ ITEM(max_connections, "MAX_CONNECTIONS", "max-connections",
	    "connections at once"),
	  .kind = CONF_INT, .def = "256", .min = 1, .max = 65536 },
	{ ITEM(max_requests, "MAX_REQUESTS", "max-requests",
	    "requests in flight at once"),
	  .kind = CONF_INT, .def = "128", .min = 1, .max = 65536 },
	{ ITEM(max_line, "MAX_LINE", "max-line", "bytes of a request line"),
	  .kind = CONF_INT, .def = "1048576", .min = 256, .max = 256 * MIB },
	{ ITEM(max_output, "MAX_OUTPUT", "max-output",
	    "bytes a client may leave unread"),
	  .kind = CONF_INT, .def = "8388608", .min = 4 * KIB,
	  .max = 1024 * MIB },
	{ ITEM(idle_timeout, "IDLE_TIMEOUT", "idle-timeout",
	    "seconds an idle connection is kept; 0: for ever"),
	  .kind = CONF_SECONDS, .def = "300", .max = LONGEST },
	{ ITEM(request_timeout, "REQUEST_TIMEOUT", "request-timeout",
	    "seconds a request may take"),
	  .kind = CONF_SECONDS, .def = "30", .max = LONGEST },
	{ ITEM(script_instructions, "SCRIPT_INSTRUCTIONS",
	    "script-instructions", "Lua instructions a run may execute"),
	  .kind = CONF_INT, .def = "100000000", .min = 1000,
	  .max = INT64_C(1000000000000000) },
	{ ITEM(script_memory, "SCRIPT_MEMORY", "script-memory",
	    "bytes a run may allocate"),
	  .kind = CONF_INT, .def = "16777216", .min = 64 * KIB,
	  .max = MIB * MIB },
	{ ITEM(lua_memory, "LUA_MEMORY", "lua-memory",
	    "bytes Lua may hold in all"),
	  .kind = CONF_INT, .def = "536870912", .min = 4 * MIB,
	  .max = MIB * MIB },
	{ ITEM(hook_failures, "HOOK_FAILURES", "hook-failures",
	    "failures in a row that suspend a hook; 0: none do"),
	  .kind = CONF_INT, .def = "5", .min = 0, .max = 1000000 },
	{ ITEM(vault_timeout, "VAULT_TIMEOUT", "vault-timeout",
	    "seconds a call of the vault may take"),
	  .kind = CONF_SECONDS, .def = "60", .max = LONGEST },
	{ ITEM(vault_idle, "VAULT_IDLE", "vault-idle",
	    "seconds an unused vault session is kept"),
	  .kind = CONF_SECONDS, .def = "30", .max = LONGEST },
	{ ITEM(stall_after, "STALL_AFTER", "stall-after",
	    "seconds without an event until an agent is stalled; 0: never"),
	  .kind = CONF_SECONDS, .def = "14400", .max = LONGEST },
};
const size_t conf_nrows = ARRAY_LEN(conf_rows);
