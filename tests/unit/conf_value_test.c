/* links: platform mem conf conf_table conf_value log log_line secret secret_redact */
#include <sys/types.h>

#include <unistd.h>

#include "conf_fixture.h"
#include "log.h"

TEST(paths_become_absolute)
{
	char cwd[PATH_MAX], want[PATH_MAX + 16];

	clear();
	CHECK(getcwd(cwd, sizeof(cwd)) != NULL);
	snprintf(want, sizeof(want), "%s/state dir/x", cwd);
	check_one("--state-dir|state dir/x", "state_dir", want);
	CHECK_INT(chdir("/"), 0);
	check_one("--state-dir|x", "state_dir", "/x");
	CHECK_INT(chdir(cwd), 0);
	check_one("--provider-env|/a/b/c.env", "vault_dir", "/a/b/vault");
	check_one("--provider-env|/c.env", "vault_dir", "/vault");
	check_one("--provider-env|/a/b/c.env|--vault-dir|/v", "vault_dir", "/v");
}

TEST(paths_that_are_none)
{
	char dir[] = "/tmp/colibri-conf-XXXXXX", cwd[PATH_MAX];
	char words[PATH_MAX + 64];
	int n;

	clear();
	check_mistakes("--db|a\nb\x7f", NULL,
	    "--db: control character in path 'a?b?'\n");
	/* a mistake in what another default hangs on */
	check_mistakes("--provider-env|\x01", NULL,
	    "--provider-env: control character in path '?'\n");
	n = snprintf(words, sizeof(words), "--socket|/");
	memset(words + n, 's', 120);
	words[n + 120] = '\0';
	CHECK(load(words, NULL) == NULL);
	CHECK_INT(errors.n, 1);
	CHECK_HAS(errors.texts[0], "--socket: path '/sss");
	CHECK_HAS(errors.texts[0], PICK("longer than 107 bytes",
	    "longer than 103 bytes"));
	n = snprintf(words, sizeof(words), "--db|/");
	memset(words + n, 'd', PATH_MAX);
	words[n + PATH_MAX] = '\0';
	CHECK(load(words, NULL) == NULL);
	CHECK_INT(errors.n, 1);
	CHECK_HAS(errors.texts[0], "--db: path '/ddd");

	CHECK(getcwd(cwd, sizeof(cwd)) != NULL && mkdtemp(dir) != NULL);
	CHECK(chdir(dir) == 0 && rmdir(dir) == 0);
	check_mistakes("--db|x", NULL, "--db: 'x' is relative and the working "
	    "directory is not known: No such file or directory\n");
	check_one("--db|/x", "db_path", "/x");
	CHECK_INT(chdir(cwd), 0);
}

TEST(words_and_choices)
{
	clear();
	check_one("--jail-backend|my-own_2", "jail_backend", "my-own_2");
	check_mistakes("--jail-backend|../x", NULL, "--jail-backend: '../x' is "
	    "not a name ([a-z0-9_-], at most 64)\n");
	check_mistakes("--vault=BW", NULL, "--vault: 'BW' is not a name "
	    "([a-z0-9_-], at most 64)\n");
	CHECK(load("--vault|aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	    "aaaaaaaaaaaaaaa", NULL) == NULL);
	check_one("--jail-priv-mode|mdo", "jail_priv_mode", "mdo");
	check_mistakes("--jail-priv-mode|doas", NULL,
	    "--jail-priv-mode: 'doas' is none of none, mdo, sudo, "
	    "helper\n");
	check_one("--log-level|debug", "log_level", "debug");
	check_mistakes("--log-level|loud|--log-format|xml", NULL,
	    "--log-level: 'loud' is none of error, warn, info, debug\n"
	    "--log-format: 'xml' is none of text, json\n");
}

/* The table's order of words is that of the enums. */
TEST(log_words_are_those_of_the_log)
{
	static const char *const levels[] = { "error", "warn", "info", "debug" };
	enum log_level level;
	struct conf *c;
	char words[64];
	size_t i;

	clear();
	for (i = 0; i < 4; i++) {
		snprintf(words, sizeof(words), "--log-level|%s", levels[i]);
		c = load(words, NULL);
		CHECK_INT(log_level_parse(levels[i], &level), 0);
		CHECK_INT(c->log_level, level);
		conf_free(c);
	}
	c = load("--log-format|json", NULL);
	CHECK_INT(c->log_format, LOG_JSON);
	conf_free(c);
}

TEST(numbers)
{
	clear();
	check_one("--max-requests|1", "max_requests", "1");
	check_one("--max-requests|65536", "max_requests", "65536");
	check_mistakes("--max-requests|0", NULL,
	    "--max-requests: 0 is not between 1 and 65536\n");
	check_mistakes("--max-requests|-5", NULL,
	    "--max-requests: -5 is not between 1 and 65536\n");
	check_mistakes("--max-requests|65537", NULL,
	    "--max-requests: 65537 is not between 1 and 65536\n");
	check_mistakes("--max-requests|99999999999999999999", NULL,
	    "--max-requests: 99999999999999999999 is not between 1 and 65536\n");
	check_mistakes("--max-requests|12k", NULL,
	    "--max-requests: '12k' is not a whole number\n");
	check_mistakes("--max-requests| 12", NULL,
	    "--max-requests: ' 12' is not a whole number\n");
	check_mistakes("--max-requests|-", NULL,
	    "--max-requests: '-' is not a whole number\n");
	check_mistakes("--max-requests|1.5", NULL,
	    "--max-requests: '1.5' is not a whole number\n");
}

TEST(seconds)
{
	static const char *const bad[] = { "x", ".", "5.", "-1", "1e3", "inf",
	    "nan", "0x10", "1.2.3", "5s", "+5", " 5",
	    "0.0000000000000000000000000000001" };
	char words[64];
	size_t i;

	clear();
	check_one("--vault-timeout|0", "vault_timeout", "0");
	check_one("--vault-timeout|2.25", "vault_timeout", "2.25");
	check_one("--vault-timeout|.5", "vault_timeout", "0.5");
	check_one("--vault-timeout|1000000000", "vault_timeout", "1000000000");
	check_mistakes("--vault-timeout|1000000001", NULL, "--vault-timeout: "
	    "1000000001 is more than 1000000000 seconds\n");
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		snprintf(words, sizeof(words), "--vault-timeout|%s", bad[i]);
		CHECK(load(words, NULL) == NULL);
		CHECK_INT(errors.n, 1);
		CHECK_HAS(errors.n == 1 ? errors.texts[0] : "",
		    "is not a number of seconds");
	}
}

TEST(values_fit_their_buffer)
{
	struct conf *c;
	char buf[8];

	clear();
	c = load("--db|/a/long/path|--max-line|100000000", NULL);
	CHECK_STR(conf_value(c, "db_path", buf, sizeof(buf)), "/a/long");
	CHECK_STR(conf_value(c, "max_line", buf, sizeof(buf)), "1000000");
	conf_free(c);
}

CHECK_MAIN(
    RUN(paths_become_absolute);
    RUN(paths_that_are_none);
    RUN(words_and_choices);
    RUN(log_words_are_those_of_the_log);
    RUN(numbers);
    RUN(seconds);
    RUN(values_fit_their_buffer))
