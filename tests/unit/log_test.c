/* links: mem log log_line secret secret_redact */
#include <sys/types.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include "check.h"
#include "log.h"
#include "log_line.h"
#include "secret.h"

static char line[4 * LOG_LINE_MAX];	/* what the last call wrote */

/* Write to a file that is gone already, so that nothing stays behind. */
static int
capture_start(enum log_level level, enum log_format format)
{
	char path[] = "/tmp/colibri-log-XXXXXX";
	int fd = mkstemp(path);

	unlink(path);
	log_setup(fd, level, format);
	return fd;
}

/* What was written, in line. Puts the log back to stderr. */
static const char *
capture_end(int fd)
{
	ssize_t n = pread(fd, line, sizeof(line) - 1, 0);

	line[n > 0 ? n : 0] = '\0';
	close(fd);
	log_setup(STDERR_FILENO, LOG_INFO, LOG_TEXT);
	return line;
}

/* One record; the part after the time stamp, without the newline. */
static const char *
logged(enum log_format format, const char *topic, const char *msg,
    const struct log_field *fields, size_t n)
{
	int fd = capture_start(LOG_INFO, format);
	char *end;

	log_write(LOG_INFO, topic, msg, fields, n);
	capture_end(fd);
	end = strchr(line, '\n');
	if (end == NULL || end[1] != '\0')
		CHECK_NOTE("not one line: \"%s\"", line);
	else
		*end = '\0';
	return strchr(line, format == LOG_JSON ? ',' : ' ') + 1;
}

TEST(text_line)
{
	static const struct log_field fields[] = {
		{ "tenant", "proof0" }, { "note", "two words" },
		{ "empty", "" }, { "none", NULL }, { "kv", "a=b" },
		{ "q", "say \"hi\" \\" },
	};
	const char *rest = logged(LOG_TEXT, "provision",
	    "provisioning tenant env from vault", fields, 6);

	CHECK_STR(rest, "info provision provisioning tenant env from vault "
	    "tenant=proof0 note=\"two words\" empty=\"\" none=\"\" kv=\"a=b\" "
	    "q=\"say \\\"hi\\\" \\\\\"");
}

/* 2026-11-24T01:53:10.123Z */
TEST(time_stamp_form)
{
	static const char form[] = "dddd-dd-ddTdd:dd:dd.dddZ ";
	size_t i;

	logged(LOG_TEXT, "t", "m", NULL, 0);
	for (i = 0; form[i] != '\0'; i++) {
		if (form[i] == 'd' ? line[i] < '0' || line[i] > '9' :
		    line[i] != form[i])
			break;
	}
	CHECK_INT(form[i], 0);
}

TEST(json_line)
{
	static const struct log_field fields[] = {
		{ "tenant", "proof0" }, { "msg", "not twice" },
		{ "note", "two \"words\"" }, { "none", NULL },
	};
	const char *rest = logged(LOG_JSON, "provision", "a\\b", fields, 4);

	CHECK_STR(rest, "\"level\":\"info\",\"topic\":\"provision\","
	    "\"msg\":\"a\\\\b\",\"tenant\":\"proof0\",\"msg_\":\"not twice\","
	    "\"note\":\"two \\\"words\\\"\",\"none\":\"\"}");
	CHECK(strncmp(line, "{\"ts\":\"2", 8) == 0);
}

TEST(nothing_starts_a_line)
{
	static const struct log_field fields[] = {
		{ "bad\nkey=", "one\ntwo\r\t\b\f\x1b[31m\x7f" },
	};

	CHECK_STR(logged(LOG_TEXT, "to pic\n", "m\n2026 error", fields, 1),
	    "info to_pic_ m\\n2026 error bad_key_=\"one\\ntwo\\r\\t\\b\\f"
	    "\\u001b[31m\\u007f\"");
	CHECK_STR(logged(LOG_JSON, NULL, NULL, fields, 1),
	    "\"level\":\"info\",\"topic\":\"_\",\"msg\":\"\",\"bad_key_\":"
	    "\"one\\ntwo\\r\\t\\b\\f\\u001b[31m\\u007f\"}");
}

TEST(ill_formed_utf8)
{
	static const char *const bad[] = {
		"\x80", "\xc3", "\xc3(", "\xc0\xaf", "\xe0\x80\x80",
		"\xed\xa0\x80", "\xf4\x90\x80\x80", "\xf0\x80\x80\x80",
		"\xf8", "\xff", "\xe2\x82", "\xc2\x9b",
	};
	size_t i;

	CHECK_HAS(logged(LOG_JSON, "t", "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80",
	    NULL, 0), "\"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\"");
	CHECK_HAS(logged(LOG_JSON, "t", "a\xff" "b", NULL, 0),
	    "\"a\xef\xbf\xbd" "b\"");
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		CHECK_HAS(logged(LOG_TEXT, "t", bad[i], NULL, 0),
		    "\xef\xbf\xbd");
		if (strchr(bad[i], '(') != NULL)
			CHECK_HAS(line, "(");
	}
}

TEST(levels)
{
	int fd = capture_start(LOG_WARN, LOG_TEXT);

	CHECK(log_enabled(LOG_ERROR) && log_enabled(LOG_WARN));
	CHECK(!log_enabled(LOG_INFO) && !log_enabled(LOG_DEBUG));
	log_error("t", "number %d", 1);
	log_warn("t", "number %d", 2);
	log_info("t", "number %d", 3);
	log_debug("t", "number %d", 4);
	log_write(LOG_DEBUG, "t", "number 5", NULL, 0);
	capture_end(fd);
	CHECK_HAS(line, " error t number 1\n");
	CHECK_HAS(line, " warn t number 2\n");
	CHECK(strstr(line, "3\n") == NULL && strstr(line, "r 4") == NULL &&
	    strstr(line, "r 5") == NULL);
}

TEST(names)
{
	enum log_level level;

	CHECK_INT(log_level_parse("error", &level), 0);
	CHECK_INT(level, LOG_ERROR);
	CHECK_INT(log_level_parse("debug", &level), 0);
	CHECK_INT(level, LOG_DEBUG);
	CHECK_INT(log_level_parse("loud", &level), -1);
	CHECK_INT(log_level_parse("", &level), -1);
}

TEST(errno_is_kept)
{
	int fd = capture_start(LOG_INFO, LOG_TEXT);

	errno = ENOTDIR;
	log_info("t", "x");
	CHECK_INT(errno, ENOTDIR);
	capture_end(fd);
}

/* A text of n bytes c. */
static const char *
long_text(size_t n, char c)
{
	static char text[100001];

	memset(text, c, n);
	text[n] = '\0';
	return text;
}

TEST(long_lines_are_cut)
{
	static const struct log_field field = { "key", "value" };
	size_t n;

	/* around the limit, so that the end of a value and the end of the
	 * line meet in every way */
	for (n = LOG_LINE_MAX - 150; n < LOG_LINE_MAX + 10; n++) {
		logged(LOG_TEXT, "t", long_text(n, 'x'), &field, 1);
		CHECK(strlen(line) < LOG_LINE_MAX);
		CHECK(strcmp(line + strlen(line) - 10, " key=value") == 0 ||
		    strcmp(line + strlen(line) - 6, " [cut]") == 0);
		logged(LOG_JSON, "t", long_text(n, '\x01' + n % 2 * 64),
		    &field, 1);
		CHECK(strlen(line) < LOG_LINE_MAX);
		CHECK(strcmp(line + strlen(line) - 8, "\"value\"}") == 0 ||
		    strcmp(line + strlen(line) - 13, "\",\"cut\":true}") == 0);
	}
	CHECK_HAS(logged(LOG_TEXT, "t", long_text(100000, 'x'), &field, 1),
	    "x [cut]");
}

TEST(a_formatted_message_of_any_length)
{
	int fd = capture_start(LOG_INFO, LOG_TEXT);

	log_info("t", "%s|", long_text(3000, 'y'));
	CHECK_HAS(capture_end(fd), "yyy|\n");
}

TEST(secrets_are_redacted)
{
	static const char value[] = "hun\nter2\xff\"secret";
	struct secret *s = secret_new(value, sizeof(value) - 1);
	struct log_field field = { "v", value };
	char text[9000];
	int fd;

	CHECK_STR(logged(LOG_TEXT, "t", value, &field, 1),
	    "info t [secret] v=\"[secret]\"");
	CHECK_STR(logged(LOG_JSON, "t", value, &field, 1), "\"level\":\"info\""
	    ",\"topic\":\"t\",\"msg\":\"[secret]\",\"v\":\"[secret]\"}");
	/* one that the end of the line would cut in two */
	memset(text, 'x', 8140);
	memcpy(text + 8140, value, sizeof(value));
	logged(LOG_TEXT, "t", text, NULL, 0);
	CHECK(strstr(line, "hun") == NULL);
	/* in words, and by printf */
	field = (struct log_field){ value, "x" };
	CHECK_STR(logged(LOG_TEXT, value, "m", &field, 1),
	    "info _secret_ m _secret_=x");
	fd = capture_start(LOG_INFO, LOG_TEXT);
	log_info("t", "%s%s", long_text(600, 'x'), value);
	CHECK_HAS(capture_end(fd), "x[secret]\n");
	secret_unref(s);
}

/* What only the finished line shows; and the marks make it longer than a line
 * may be, so that it is cut harder. */
TEST(redaction_of_the_finished_line)
{
	struct secret *s = secret_new("\\\\\\\\", 4);
	char text[4 * 1500 + 1];
	size_t i;

	for (i = 0; i < 1500; i++)
		memcpy(text + i * 4, "\\\\ab", 5);
	logged(LOG_TEXT, "t", text, NULL, 0);
	CHECK(strlen(line) < LOG_LINE_MAX);
	CHECK_HAS(line, " t [secret]ab[secret]ab");
	CHECK_HAS(line, " [cut]");
	logged(LOG_JSON, "t", text, NULL, 0);
	CHECK(strlen(line) < LOG_LINE_MAX);
	CHECK_HAS(line, "\"msg\":\"[secret]ab[secret]ab");
	CHECK_HAS(line, "\",\"cut\":true}");
	secret_unref(s);
}

static size_t
drain(int fd)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	char buf[4096];
	size_t total = 0;
	ssize_t n;

	while (poll(&pfd, 1, 0) > 0 && (n = read(fd, buf, sizeof(buf))) > 0)
		total += (size_t)n;
	return total;
}

static void
fill(int fd)
{
	int flags = fcntl(fd, F_GETFL);
	char buf[4096] = { 0 };
	size_t n;

	fcntl(fd, F_SETFL, flags | O_NONBLOCK);
	for (n = sizeof(buf); n > 0; n /= 2) {
		while (write(fd, buf, n) > 0)
			;
	}
	fcntl(fd, F_SETFL, flags);
}

/* Neither a blocking nor a non-blocking descriptor whose reader sleeps holds
 * the caller up for ever; what was lost is counted. alarm(2) is the deadline.
 */
static void
check_stuck_reader(int extra_flags)
{
	ssize_t n;
	int p[2], i;

	CHECK(pipe(p) == 0);
	fcntl(p[1], F_SETFL, fcntl(p[1], F_GETFL) | extra_flags);
	fill(p[1]);
	log_setup(p[1], LOG_INFO, LOG_TEXT);
	alarm(20);
	for (i = 0; i < 50; i++)
		log_info("t", "lost %s", long_text(6000, 'l'));
	CHECK(drain(p[0]) > 0);
	log_info("t", "after");
	alarm(0);
	n = read(p[0], line, sizeof(line) - 1);
	line[n > 0 ? n : 0] = '\0';
	CHECK_HAS(line, " info t after\n");
	CHECK_HAS(line, " warn log lines were lost before the last one "
	    "count=50\n");
	log_info("t", "and no more");
	n = read(p[0], line, sizeof(line) - 1);
	line[n > 0 ? n : 0] = '\0';
	CHECK_HAS(line, "and no more\n");
	CHECK(strstr(line, "lost") == NULL);
	log_setup(STDERR_FILENO, LOG_INFO, LOG_TEXT);
	close(p[0]);
	close(p[1]);
}

TEST(a_stuck_reader_loses_lines)
{
	check_stuck_reader(0);
	check_stuck_reader(O_NONBLOCK);
}

/* Room for less than a line: the line is torn, and the next one starts on a
 * line of its own. */
TEST(a_torn_line_is_ended)
{
	char first[PIPE_BUF];
	size_t left;
	ssize_t n;
	int p[2];

	CHECK(pipe(p) == 0);
	fill(p[1]);
	for (left = sizeof(first); left > 0; left -= (size_t)n) {
		n = read(p[0], first, left);
		if (n <= 0)
			break;
	}
	log_setup(p[1], LOG_INFO, LOG_TEXT);
	alarm(20);
	log_info("t", "torn %s", long_text(2 * PIPE_BUF < 7000 ?
	    2 * PIPE_BUF : 7000, 't'));
	alarm(0);
	CHECK(drain(p[0]) > 0);
	log_info("t", "whole");
	n = read(p[0], line, sizeof(line) - 1);
	line[n > 0 ? n : 0] = '\0';
	CHECK_INT(line[0], '\n');
	CHECK_HAS(line, " info t whole\n");
	CHECK_HAS(line, " count=1\n");
	log_setup(STDERR_FILENO, LOG_INFO, LOG_TEXT);
	close(p[0]);
	close(p[1]);
}

/* A line longer than PIPE_BUF still arrives whole when somebody reads. */
TEST(long_lines_go_through_a_pipe)
{
	size_t have = 0;
	pid_t pid;
	ssize_t n;
	int p[2];

	CHECK(pipe(p) == 0);
	pid = fork();
	if (pid == 0) {
		log_setup(p[1], LOG_INFO, LOG_TEXT);
		log_info("t", "%s|", long_text(8000, 'z'));
		_exit(0);
	}
	close(p[1]);
	while ((n = read(p[0], line + have, sizeof(line) - 1 - have)) > 0)
		have += (size_t)n;
	line[have] = '\0';
	close(p[0]);
	waitpid(pid, NULL, 0);
	CHECK_HAS(line, "zzz|\n");
	CHECK(strchr(line, '\n') == line + have - 1);
}

TEST(a_dead_descriptor_is_harmless)
{
	int p[2], fd;

	signal(SIGPIPE, SIG_IGN);
	CHECK(pipe(p) == 0);
	close(p[0]);
	log_setup(p[1], LOG_INFO, LOG_TEXT);
	log_info("t", "nobody reads");
	close(p[1]);
	log_setup(-1, LOG_INFO, LOG_TEXT);
	log_info("t", "no descriptor");
	fd = open("/dev/full", O_WRONLY);	/* where there is one */
	log_setup(fd, LOG_INFO, LOG_TEXT);
	log_info("t", "no space");
	if (fd >= 0)
		close(fd);
	fd = open("/dev/null", O_WRONLY);
	log_setup(fd, LOG_INFO, LOG_TEXT);
	log_info("t", "fine");
	close(fd);
	log_setup(STDERR_FILENO, LOG_INFO, LOG_TEXT);
}

TEST(fatal_logs_and_aborts)
{
	int fd = capture_start(LOG_ERROR, LOG_TEXT), status = 0;
	struct rlimit no_core = { 0, 0 };
	pid_t pid = fork();

	if (pid == 0) {
		setrlimit(RLIMIT_CORE, &no_core);
		signal(SIGABRT, SIG_DFL);
		log_fatal("t", "broken %s", "invariant");
	}
	CHECK(pid > 0 && waitpid(pid, &status, 0) == pid);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
	CHECK_HAS(capture_end(fd), " error t broken invariant\n");
}

CHECK_MAIN(
    RUN(text_line);
    RUN(time_stamp_form);
    RUN(json_line);
    RUN(nothing_starts_a_line);
    RUN(ill_formed_utf8);
    RUN(levels);
    RUN(names);
    RUN(errno_is_kept);
    RUN(long_lines_are_cut);
    RUN(a_formatted_message_of_any_length);
    RUN(secrets_are_redacted);
    RUN(redaction_of_the_finished_line);
    RUN(a_stuck_reader_loses_lines);
    RUN(a_torn_line_is_ended);
    RUN(long_lines_go_through_a_pipe);
    RUN(a_dead_descriptor_is_harmless);
    RUN(fatal_logs_and_aborts))
