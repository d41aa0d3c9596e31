/* links: platform mem conf conf_table conf_value log log_line secret secret_redact */
#include <sys/types.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <fcntl.h>
#include <unistd.h>

#include "conf_fixture.h"
#include "log.h"

TEST(defaults)
{
	struct conf *c;

	clear();
	c = load("", NULL);
	CHECK(c != NULL);
	check_value(c, "socket_path", PICK("/run/colibri/colibri.sock",
	    "/var/run/colibri/colibri.sock"));
	check_value(c, "db_path", PICK("/var/lib/colibri/colibri.sqlite",
	    "/var/db/colibri/colibri.sqlite"));
	check_value(c, "provider_env", PICK("/etc/colibri/provider.env",
	    "/usr/local/etc/colibri/provider.env"));
	check_value(c, "jail_root_base", PICK("/var/lib/machines",
	    "/usr/local/bastille/jails"));
	check_value(c, "site_dir", PICK("/etc/colibri/site",
	    "/usr/local/etc/colibri/site"));
	check_value(c, "state_dir", PICK("/var/lib/colibri/state",
	    "/var/db/colibri/state"));
	check_value(c, "bw", NULL);
	check_value(c, "cgroup", NULL);
	check_value(c, "vault", "bw");
	check_value(c, "vault_dir", PICK("/etc/colibri/vault",
	    "/usr/local/etc/colibri/vault"));
	check_value(c, "jail_backend", PICK("bwrap", "jexec"));
	check_value(c, "jail_priv_mode", geteuid() == 0 ? "none" :
	    PICK("sudo", "mdo"));
	check_value(c, "log_level", "info");
	check_value(c, "log_format", "text");
	check_value(c, "max_connections", "256");
	check_value(c, "max_requests", "128");
	check_value(c, "max_line", "1048576");
	check_value(c, "max_output", "8388608");
	check_value(c, "idle_timeout", "300");
	check_value(c, "request_timeout", "30");
	check_value(c, "script_instructions", "100000000");
	check_value(c, "script_memory", "16777216");
	check_value(c, "lua_memory", "536870912");
	check_value(c, "hook_failures", "5");
	check_value(c, "vault_timeout", "60");
	check_value(c, "vault_idle", "30");
	check_value(c, "stall_after", "14400");
	check_value(c, "no_such", NULL);
	CHECK_INT(c->log_level, LOG_INFO);
	CHECK_INT(c->log_format, LOG_TEXT);
	CHECK_INT(c->max_line, 1 << 20);
	CHECK(c->vault_idle == 30);
	conf_free(c);
	conf_free(NULL);
}

TEST(priv_mode_depends_on_the_user)
{
	clear();
	if (geteuid() != 0 || seteuid(65534) != 0)
		return;
	check_one("", "jail_priv_mode", PICK("sudo", "mdo"));
	CHECK_INT(seteuid(0), 0);
}

TEST(flags_win_over_environment)
{
	clear();
	setenv("COLIBRI_DB_PATH", "/env/db", 1);
	check_one("", "db_path", "/env/db");
	check_one("--db|/flag/db", "db_path", "/flag/db");
	check_one("--db=/flag=db", "db_path", "/flag=db");
	check_one("--db=/one|--db|/two", "db_path", "/two");
	setenv("COLIBRI_DB_PATH", "", 1);	/* counts as unset */
	check_one("", "db_path", PICK("/var/lib/colibri/colibri.sqlite",
	    "/var/db/colibri/colibri.sqlite"));
}

/* A value that this setting allows and that no other row has; told from its
 * default. */
static void
other_value(const char *name, size_t i, char *buf, size_t size)
{
	struct conf *c = load("", NULL);
	const char *text = conf_value(c, name, buf, size);

	if (text == NULL || *text == '/')
		snprintf(buf, size, "/p/%zu", i);
	else if (strspn(text, "0123456789") == strlen(text))
		snprintf(buf, size, "%zu", strlen(text) < 4 ? 7000 + i :
		    7000000 + i);
	else
		snprintf(buf, size, "%s", strcmp(text, "info") == 0 ? "warn" :
		    strcmp(text, "text") == 0 ? "json" :
		    strcmp(text, "leave") == 0 ? "stop" :
		    strcmp(name, "jail_priv_mode") == 0 ? "mdo" : "a-b_9");
	conf_free(c);
}

/* Every row by variable and by flag; so none is mixed up with another. */
TEST(every_setting_has_both_ways)
{
	const struct conf_item *items;
	size_t i, n = conf_items(&items);
	char words[256], value[128];

	for (i = 0; i < n; i++) {
		clear();
		other_value(items[i].name, i, value, sizeof(value));
		setenv(items[i].env, value, 1);
		check_one("", items[i].name, value);
		unsetenv(items[i].env);
		snprintf(words, sizeof(words), "--%s|%s", items[i].flag, value);
		check_one(words, items[i].name, value);
		CHECK(items[i].help[0] != '\0');
	}
	CHECK_INT(n, 33);
}

static void
check_rest(const char *words, const char *const *own, const char *want)
{
	struct conf *c = load(words, own);
	char rest[256] = "";
	int i;

	CHECK(c != NULL);
	CHECK_INT(errors.n, 0);
	for (i = 1; i < nargs; i++)
		snprintf(rest + strlen(rest), sizeof(rest) - strlen(rest),
		    "%s%s", i > 1 ? "|" : "", args[i]);
	CHECK(args[nargs] == NULL);
	CHECK_STR(rest, want);
	conf_free(c);
}

TEST(what_the_program_still_sees)
{
	static const char *const own[] = { "check", "tenant=", "h", NULL };
	static const char *const none[] = { NULL };

	clear();
	check_rest("", NULL, "");
	check_rest("--db|/x|run|--db|/y", NULL, "run|--db|/y");
	check_rest("--db|/x|--|--db|/y", NULL, "--db|/y");
	check_rest("--db|/x|--|--db|/y", none, "--db|/y");
	check_rest("--check|--|--db", own, "--check|--|--db");
	check_rest("-|--db|/y", NULL, "-|--db|/y");
	check_rest("--check|--db|/x|--tenant|t0|--db=/y|--tenant=t1|-h|go|-z",
	    own, "--check|--tenant|t0|--tenant=t1|-h|go|-z");
}

TEST(flags_that_are_wrong)
{
	static const char *const own[] = { "check", "tenant=", NULL };

	clear();
	check_mistakes("--dbx|--d|-db|--|x", NULL, "--dbx: no such flag\n"
	    "--d: no such flag\n-db: no such flag\n");
	/* what may be a secret is not repeated */
	check_mistakes("--password=hunter2", NULL, "--password: no such flag\n");
	check_mistakes("--=x", NULL, "--: no such flag\n");
	check_mistakes("--db", NULL, "--db needs a value\n");
	check_mistakes("--db|--socket|/s", NULL, "--db needs a value\n");
	check_mistakes("--db=", NULL, "--db needs a value\n");
	check_mistakes("--check=1|--tenant", own, "--check takes no value\n"
	    "--tenant needs a value\n");
	check_mistakes("--chec|--checks|-check", own, "--chec: no such flag\n"
	    "--checks: no such flag\n-check: no such flag\n");
}

TEST(variables_that_are_wrong)
{
	clear();
	setenv("COLIBRI_SOKET", "secret-value", 1);
	check_mistakes("", NULL, "COLIBRI_SOKET: no such setting\n");
	setenv("COLIBRI_SOKET", "", 1);
	setenv("COLIBRI_TEST_ANYTHING", "x", 1);
	setenv("COLIBRI_JAIL_NAME", "x", 1);
	setenv("COLIBRI_SESSION_ID", "x", 1);
	setenv("COLIBRI_AGENT_ID", "x", 1);
	setenv("COLIBRI_REQUEST_ID", "x", 1);
	setenv("COLIBRIX", "x", 1);
	check_one("", "vault", "bw");
	unsetenv("COLIBRIX");
	setenv("COLIBRI_JAIL_NAMES", "x", 1);
	check_mistakes("", NULL, "COLIBRI_JAIL_NAMES: no such setting\n");
	clear();
}

TEST(all_mistakes_at_once)
{
	clear();
	setenv("COLIBRI_LOG_LEVEL", "loud", 1);
	setenv("COLIBRI_MAX_LINE", "1", 1);
	setenv("COLIBRI_VAULT_IDLE", "soon", 1);
	setenv("COLIBRI_TYPO", "1", 1);
	check_mistakes("--nope|--max-line|2", NULL, "--nope: no such flag\n"
	    "COLIBRI_LOG_LEVEL: 'loud' is none of error, warn, info, debug\n"
	    "COLIBRI_MAX_LINE: 1 is not between 256 and 268435456\n"
	    "--max-line: 2 is not between 256 and 268435456\n"
	    "COLIBRI_VAULT_IDLE: 'soon' is not a number of seconds\n"
	    "COLIBRI_TYPO: no such setting\n");
	clear();
}

TEST(no_arguments_at_all)
{
	char *none[] = { NULL };
	struct conf *c;
	int n = 0;

	clear();
	c = conf_load(&n, none, NULL, &errors);
	CHECK(c != NULL);
	CHECK_INT(n, 0);
	conf_free(c);
}

/* --- the build tree: copies of this program in trees of our own --- */

static int
print_share_dir(void)
{
	struct conf *c;

	clear();
	c = load("", NULL);
	if (c == NULL)
		return 1;
	printf("%s\n", c->share_dir);
	conf_free(c);
	return 0;
}

static bool
copy_self(const char *to)
{
	const char *self = PICK("/proc/self/exe", "/proc/curproc/file");
	int in = open(self, O_RDONLY), out;
	char buf[65536];
	ssize_t n = -1;

	out = open(to, O_WRONLY | O_CREAT | O_EXCL, 0700);
	while (in >= 0 && out >= 0 && (n = read(in, buf, sizeof(buf))) > 0) {
		if (write(out, buf, (size_t)n) != n)
			break;
	}
	close(in);
	close(out);
	return n == 0;
}

/* Make the directories of a path below top, or remove them again. */
static void
each_dir(const char *top, const char *path, bool make)
{
	char full[PATH_MAX];
	size_t i, len = strlen(path);

	for (i = 0; i <= len; i++) {
		size_t at = make ? i : len - i;

		if (at == 0 || (path[at] != '/' && path[at] != '\0'))
			continue;
		snprintf(full, sizeof(full), "%s/%.*s", top, (int)at, path);
		if (make)
			mkdir(full, 0700);
		else
			rmdir(full);
	}
}

/* share_dir as a copy of us in top/dir sees it. */
static void
check_share(const char *top, const char *dir, const char *want)
{
	char exe[PATH_MAX], got[PATH_MAX] = "";
	FILE *f;

	each_dir(top, dir, true);
	snprintf(exe, sizeof(exe), "%s/%s/prog", top, dir);
	if (copy_self(exe)) {
		setenv("COLIBRI_TEST_SHARE", "1", 1);
		f = popen(exe, "r");
		CHECK(f != NULL && fgets(got, sizeof(got), f) != NULL);
		if (f != NULL)
			CHECK_INT(pclose(f), 0);
		clear();
		got[strcspn(got, "\n")] = '\0';
		CHECK_STR(got, want);
	} else {
		printf("# no way to copy this program: not tested\n");
	}
	unlink(exe);
	each_dir(top, dir, false);
}

TEST(a_build_tree_runs_from_itself)
{
	static const char installed[] = COLIBRI_PREFIX "/share/colibri";
	char dir[] = "/tmp/colibri-conf-XXXXXX", top[PATH_MAX];
	char lua[PATH_MAX + 32];
	int fd;

	clear();
	CHECK(mkdtemp(dir) != NULL && realpath(dir, top) != NULL);
	check_share(top, "build", installed);
	each_dir(top, "lua/colibri", true);
	check_share(top, "build", top);
	check_share(top, "build/asan", top);
	check_share(top, "build/asan/unit", installed);
	each_dir(top, "lua/colibri", false);
	each_dir(top, "lua", true);
	snprintf(lua, sizeof(lua), "%s/lua/colibri", top);
	fd = open(lua, O_WRONLY | O_CREAT, 0600);	/* no directory */
	close(fd);
	check_share(top, "build", installed);
	unlink(lua);
	each_dir(top, "lua", false);
	CHECK_INT(rmdir(top), 0);
}

CHECK_MAIN(
    if (getenv("COLIBRI_TEST_SHARE") != NULL)
	return print_share_dir();
    RUN(defaults);
    RUN(priv_mode_depends_on_the_user);
    RUN(flags_win_over_environment);
    RUN(every_setting_has_both_ways);
    RUN(what_the_program_still_sees);
    RUN(flags_that_are_wrong);
    RUN(variables_that_are_wrong);
    RUN(all_mistakes_at_once);
    RUN(no_arguments_at_all);
    RUN(a_build_tree_runs_from_itself))
