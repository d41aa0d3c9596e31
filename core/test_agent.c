/*
 * test_agent.c - colibri-test-agent: a deterministic agent for tests.
 *
 * Emits one turn of an agent as JSON lines, holds, and exits 0. Links with
 * nothing but libc and may be linked statically, so that it runs in an empty
 * jail root.
 */
#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

struct options {
	const char *session_id, *cwd;
	double step, hold;	/* seconds */
	bool usage;
};

static void
usage(FILE *f)
{
	fputs("usage: colibri-test-agent [--session-id ID] [--cwd DIR]\n"
	    "           [--step-ms MS] [--hold-secs S] [--emit-usage]\n\n"
	    "Emits the JSON lines of one agent turn on stdout, MS milliseconds\n"
	    "apart (1000), then holds for S seconds (30) and exits 0.\n", f);
}

static void
json_string(const char *s)
{
	putchar('"');
	for (; *s != '\0'; s++) {
		unsigned char c = (unsigned char)*s;

		if (c == '"' || c == '\\')
			printf("\\%c", c);
		else if (c < 0x20 || c == 0x7f)
			printf("\\u%04x", c);
		else
			putchar(c);
	}
	putchar('"');
}

static void
sleep_for(double seconds)
{
	struct timespec ts;

	ts.tv_sec = (time_t)seconds;
	ts.tv_nsec = (long)((seconds - (double)ts.tv_sec) * 1e9);
	while (nanosleep(&ts, &ts) != 0 && errno == EINTR)
		;
}

/* Nobody who could read a further event is left when stdout fails. */
static void
flush(void)
{
	if (fflush(stdout) != 0)
		exit(1);
}

static void
emit(const struct options *o, const char *line)
{
	sleep_for(o->step);
	puts(line);
	flush();
}

static void
run(const struct options *o)
{
	fputs("{\"type\":\"session\",\"id\":", stdout);
	json_string(o->session_id);
	fputs(",\"cwd\":", stdout);
	json_string(o->cwd);
	puts("}");
	flush();
	emit(o, "{\"type\":\"agent_start\"}");
	emit(o, "{\"type\":\"turn_start\"}");
	emit(o, "{\"type\":\"tool_execution_start\",\"toolName\":\"echo\"}");
	emit(o, "{\"type\":\"message_update\",\"text\":\"hello\"}");
	emit(o, "{\"type\":\"queue_update\",\"pending\":0}");
	emit(o, "{\"type\":\"turn_end\"}");
	if (o->usage)
		emit(o, "{\"type\":\"usage\",\"input\":150,\"output\":80,"
		    "\"cache_read\":200,\"cache_write\":50,"
		    "\"cost_usd\":0.0042}");
	emit(o, "{\"type\":\"agent_end\"}");
	sleep_for(o->hold);
}

static double
number(const char *option, const char *text, double max)
{
	char *end;
	double v;

	errno = 0;
	v = strtod(text, &end);
	if (end == text || *end != '\0' || errno != 0 || !isfinite(v) ||
	    v < 0 || v > max) {
		fprintf(stderr, "colibri-test-agent: %s: not a number from 0 "
		    "to %.0f: %s\n", option, max, text);
		usage(stderr);
		exit(2);
	}
	return v;
}

static void
parse(int argc, char **argv, struct options *o)
{
	const char *name, *value;
	int i;

	for (i = 1; i < argc; i++) {
		name = argv[i];
		if (strcmp(name, "-h") == 0 || strcmp(name, "--help") == 0) {
			usage(stdout);
			exit(0);
		}
		if (strcmp(name, "--emit-usage") == 0) {
			o->usage = true;
			continue;
		}
		if (strcmp(name, "--session-id") != 0 &&
		    strcmp(name, "--cwd") != 0 &&
		    strcmp(name, "--step-ms") != 0 &&
		    strcmp(name, "--hold-secs") != 0) {
			fprintf(stderr, "colibri-test-agent: unknown option: "
			    "%s\n", name);
			usage(stderr);
			exit(2);
		}
		if ((value = argv[++i]) == NULL) {
			fprintf(stderr, "colibri-test-agent: %s needs a "
			    "value\n", name);
			usage(stderr);
			exit(2);
		}
		if (strcmp(name, "--session-id") == 0)
			o->session_id = value;
		else if (strcmp(name, "--cwd") == 0)
			o->cwd = value;
		else if (strcmp(name, "--step-ms") == 0)
			o->step = number(name, value, 1e9) / 1000;
		else
			o->hold = number(name, value, 1e9);
	}
}

int
main(int argc, char **argv)
{
	struct options o = { .step = 1, .hold = 30 };
	char id[32], cwd[4096];

	snprintf(id, sizeof(id), "test-%ld", (long)getpid());
	o.session_id = id;
	parse(argc, argv, &o);
	if (o.cwd == NULL)
		o.cwd = getcwd(cwd, sizeof(cwd)) != NULL ? cwd : "/";
	run(&o);
	return 0;
}
