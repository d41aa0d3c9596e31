/*
 * agent_fixture.h - a loop, a state directory and what an agent reported, for
 * the agent tests. The programs are those beside the test's own directory.
 */
#ifndef COLIBRI_AGENT_FIXTURE_H
#define COLIBRI_AGENT_FIXTURE_H

#include <sys/types.h>
#include <sys/stat.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#include "agent.h"
#include "check.h"
#include "loop.h"
#include "reaper.h"

static struct loop *loop;
static struct reaper *reaper;
static char top[64], dir[96];		/* temporary; the agent's in it */
/* Its id, which a sweep looks for in every process: another test's is another. */
static char agent_id[32], agent_mark[64];	/* COLIBRI_AGENT_ID=id */
static char shim_program[PATH_MAX], test_agent[PATH_MAX];

#define OUT	"out.0000000000000000"	/* in the agent's directory */
#define ERROUT	"err.0000000000000000"

/* Letters: H held, J inside, P started, F failed, A input, X ended, L lost. Events, and those that
 * were dropped, are counted. */
struct seen {
	char seq[64];
	pid_t pid;
	int code, signo;
	long events, dropped;
	char text[512];			/* of a failure */
	char first[256], last[256];	/* events */
	size_t longest;
	long waiting;			/* of the last answer to input */
	struct agent_end end;
	bool free_at_end;
};

static void
fixture_copy(char *to, size_t size, const char *from, size_t len)
{
	if (len >= size)
		len = size - 1;
	if (len > 0)
		memcpy(to, from, len);
	to[len] = '\0';
}

static void
seen_cb(struct agent *a, const struct agent_msg *msg, void *arg)
{
	static const char letters[] = { [AGENT_HELD] = 'H',
	    [AGENT_INSIDE_JAIL] = 'J',
	    [AGENT_STARTED] = 'P', [AGENT_FAILED] = 'F', [AGENT_DROPPED] = '-',
	    [AGENT_INPUT] = 'A', [AGENT_ENDED] = 'X', [AGENT_LOST] = 'L' };
	struct seen *s = arg;
	size_t n = strlen(s->seq);

	if (msg->what == AGENT_EVENT) {
		if (s->events++ == 0)
			fixture_copy(s->first, sizeof(s->first), msg->text,
			    msg->len);
		fixture_copy(s->last, sizeof(s->last), msg->text, msg->len);
		if (msg->len > s->longest)
			s->longest = msg->len;
		return;
	}
	if (n + 1 < sizeof(s->seq) && msg->what != AGENT_DROPPED)
		s->seq[n] = letters[msg->what];
	if (msg->what == AGENT_HELD || msg->what == AGENT_STARTED)
		s->pid = msg->pid;
	if (msg->what == AGENT_DROPPED)
		s->dropped += msg->code;
	if (msg->what == AGENT_FAILED)
		fixture_copy(s->text, sizeof(s->text), msg->text, msg->len);
	s->code = msg->code;
	if (msg->end != NULL) {
		s->code = msg->end->code;
		s->signo = msg->end->signo;
		s->end = *msg->end;
	}
	if (msg->what == AGENT_INPUT)
		s->waiting = (long)msg->waiting;
	if (s->free_at_end && strchr("XFL", letters[msg->what]) != NULL)
		agent_free(a);
}

static void
fixture_programs(void)
{
	char self[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	int i;

	self[n > 0 ? n : 0] = '\0';
	for (i = 0; i < 2 && strrchr(self, '/') != NULL; i++)
		*strrchr(self, '/') = '\0';
	snprintf(shim_program, sizeof(shim_program), "%.4000s/%s", self,
	    "colibri-agent-shim");
	snprintf(test_agent, sizeof(test_agent), "%.4000s/%s", self,
	    "colibri-test-agent");
	if (access(shim_program, X_OK) != 0 || access(test_agent, X_OK) != 0)
		CHECK_NOTE("build %s and %s first", shim_program, test_agent);
}

static void
setup(void)
{
	fixture_programs();
	strcpy(top, "/tmp/colibri-agent-XXXXXX");
	CHECK(mkdtemp(top) != NULL);
	snprintf(dir, sizeof(dir), "%s/agents/a1", top);
	snprintf(agent_id, sizeof(agent_id), "a%ld", (long)getpid());
	snprintf(agent_mark, sizeof(agent_mark), "COLIBRI_AGENT_ID=%s",
	    agent_id);
	loop = loop_new(NULL, NULL);
	reaper = reaper_new(loop, NULL);
}

static void
remove_tree(const char *path)
{
	struct dirent *de;
	char name[PATH_MAX];
	DIR *d = opendir(path);

	while (d != NULL && (de = readdir(d)) != NULL) {
		if (strcmp(de->d_name, ".") == 0 ||
		    strcmp(de->d_name, "..") == 0)
			continue;
		snprintf(name, sizeof(name), "%.3000s/%s", path, de->d_name);
		if (unlink(name) != 0)
			remove_tree(name);
	}
	if (d != NULL)
		closedir(d);
	CHECK_INT(rmdir(path), 0);
}

/* Wait until cond holds; each turn of the loop is short. */
#define UNTIL(cond) do {						\
	double until_end = loop_now_fresh(loop) + 20;			\
	while (!(cond) && loop_now_fresh(loop) < until_end)		\
		loop_turn(loop, 0.02);					\
	CHECK(cond);							\
} while (0)

static void
teardown(void)
{
	UNTIL(reaper_count(reaper) == 0);
	reaper_free(reaper);
	loop_free(loop);
	remove_tree(top);
}

static inline bool
seen_has(const struct seen *s, char letter)
{
	return strchr(s->seq, letter) != NULL;
}

static bool
seen_end(const struct seen *s)
{
	return strpbrk(s->seq, "XFL") != NULL;
}

static struct agent *
start(struct agent_spec spec, struct seen *seen)
{
	struct err e = ERR_INIT;
	struct agent *a = NULL;

	spec.id = agent_id;
	spec.dir = dir;
	if (spec.shim == NULL)
		spec.shim = shim_program;
	if (agent_start(loop, reaper, &spec, seen_cb, seen, &a, &e) != 0)
		CHECK_NOTE("%s: %s", e.code, e.text);
	return a;
}

/* Start /bin/sh -c; the script finds its own scratch directory in $T. */
static struct agent *
start_sh(const char *script, struct agent_spec spec, struct seen *seen)
{
	const char *const argv[] = { "/bin/sh", "-c", script, NULL };
	char t[80];
	const char *const envp[] = { t, "PATH=/usr/bin:/bin", NULL };

	snprintf(t, sizeof(t), "T=%s", top);
	spec.argv = argv;
	spec.envp = envp;
	return start(spec, seen);
}

/* Content of a file below top; "" when it is not there. */
static const char *
content(const char *name)
{
	static char text[8192];
	char path[PATH_MAX];
	ssize_t n = 0;
	int fd;

	snprintf(path, sizeof(path), "%s/%s", top, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		n = read(fd, text, sizeof(text) - 1);
		close(fd);
	}
	text[n > 0 ? n : 0] = '\0';
	return text;
}

static bool
is_gone(pid_t pid)
{
	return pid > 1 && kill(pid, 0) != 0 && errno == ESRCH;
}

/* Gone, or a zombie that this system's init has not waited for. */
static inline bool
is_dead(pid_t pid)
{
	char path[64];
	bool dead;

	snprintf(path, sizeof(path), "../../proc/%ld/stat", (long)pid);
	dead = strstr(content(path), ") Z ") != NULL;
	return dead || is_gone(pid);
}

static inline enum agent_found
found(struct agent_record *rec)
{
	struct err e = ERR_INIT;

	if (agent_find(dir, rec, &e) != 0)
		CHECK_NOTE("%s: %s", e.code, e.text);
	return rec->found;
}

#endif
