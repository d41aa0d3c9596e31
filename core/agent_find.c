/*
 * agent_find.c - what a state directory says about an agent of an earlier
 * daemon; see agent.h.
 *
 * The lock decides, not a pid: it is there exactly as long as the shim. The
 * shim writes the status before it lets go of the lock, so a status read after
 * the lock was seen free is final.
 */
#include <sys/types.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "agent_priv.h"
#include "platform.h"

#define FAILED	"AgentStateFailed"
#define INFO_TRIES	5

/* 1 held (and by whom), 0 free or not there. */
static int
find_lock(int dir, const char *path, pid_t *holder, struct err *e)
{
	struct flock lock = { .l_type = F_RDLCK, .l_whence = SEEK_SET };
	int fd, rc = 0;

	fd = openat(dir, "lock", O_RDONLY | O_CLOEXEC | O_NOFOLLOW |
	    O_NONBLOCK);
	if (fd < 0 && errno == ENOENT)
		return 0;
	if (fd < 0)
		return err_sys(e, FAILED, "open '%s/lock'", path);
	if (fcntl(fd, F_GETLK, &lock) != 0)
		rc = err_sys(e, FAILED, "look at the lock of '%s'", path);
	else if (lock.l_type != F_UNLCK) {
		*holder = lock.l_pid;
		rc = 1;
	}
	close(fd);
	return rc;
}

/* --- words --- */

static bool
word_is(const char *word, size_t len, const char *key, const char **value)
{
	size_t n = strlen(key);

	if (len <= n || strncmp(word, key, n) != 0 || word[n] != '=')
		return false;
	*value = word + n + 1;
	return true;
}

static bool
word_number(const char *word, size_t len, const char *key, int64_t *out)
{
	const char *value;
	long long v;
	char *end;

	if (!word_is(word, len, key, &value))
		return false;
	errno = 0;
	v = strtoll(value, &end, 10);
	if (end != word + len || end == value || errno != 0)
		return false;
	*out = v;
	return true;
}

/* Calls fn for each word. */
static void
each_word(const char *words, char sep, void (*fn)(const char *, size_t, void *),
    void *arg)
{
	const char *end;

	for (; *words != '\0'; words = end + (*end != '\0')) {
		end = strchr(words, sep);
		if (end == NULL)
			end = words + strlen(words);
		fn(words, (size_t)(end - words), arg);
	}
}

static void
end_word(const char *word, size_t len, void *arg)
{
	struct agent_end *end = arg;
	const char *value;

	if (word_number(word, len, "ended_at", &end->ended_at) ||
	    word_number(word, len, "user_usec", &end->user_usec) ||
	    word_number(word, len, "sys_usec", &end->sys_usec) ||
	    word_number(word, len, "max_rss_kb", &end->max_rss_kb) ||
	    word_number(word, len, "signalled", &end->signalled) ||
	    word_number(word, len, "killed", &end->killed) ||
	    word_number(word, len, "oom_killed", &end->oom_killed) ||
	    word_number(word, len, "log_lost", &end->log_lost))
		return;
	if (word_is(word, len, "victims", &value))
		snprintf(end->victims, sizeof(end->victims), "%.*s",
		    (int)(len - (size_t)(value - word)), value);
}

void
agent_end_words(struct agent_end *end, const char *words, char sep)
{
	each_word(words, sep, end_word, end);
}

struct info {
	int64_t shim, shim_start, pid, pid_start, started_at;
};

static void
info_word(const char *word, size_t len, void *arg)
{
	struct info *i = arg;

	if (!word_number(word, len, "shim", &i->shim) &&
	    !word_number(word, len, "shim_start", &i->shim_start) &&
	    !word_number(word, len, "pid", &i->pid) &&
	    !word_number(word, len, "pid_start", &i->pid_start))
		word_number(word, len, "started_at", &i->started_at);
}

/* --- files --- */

/* The text of a small file: 1 read, 0 not there. */
static int
find_text(int dir, const char *path, const char *name, char *text, size_t size,
    struct err *e)
{
	ssize_t n;
	int fd;

	fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0 && errno == ENOENT)
		return 0;
	if (fd < 0)
		return err_sys(e, FAILED, "open '%s/%s'", path, name);
	n = read(fd, text, size - 1);
	close(fd);
	if (n < 0)
		return err_sys(e, FAILED, "read '%s/%s'", path, name);
	text[n] = '\0';
	return 1;
}

/* 1 read, 0 not there. A file that is not as the shim writes it is an error. */
static int
find_exit(int dir, const char *path, struct agent_record *rec, struct err *e)
{
	char text[4096];
	int rc, at = 0;

	rc = find_text(dir, path, "exit", text, sizeof(text), e);
	if (rc <= 0)
		return rc;
	if (sscanf(text, "code=%d signal=%d%n", &rec->end.code, &rec->end.signo,
	    &at) != 2 || text[at] != '\n' || text[strlen(text) - 1] != '\n')
		return err_set(e, FAILED, "'%s/exit' is not a status", path);
	agent_end_words(&rec->end, text + at + 1, '\n');
	if (rec->end.ended_at <= 0)
		return err_set(e, FAILED, "'%s/exit' is not a status", path);
	return 1;
}

/* Who the shim says it is must be who holds the lock: neither a pid that was
 * given to somebody else since, nor somebody else who locks the file. */
static int
find_info(int dir, const char *path, struct agent_record *rec, struct err *e)
{
	struct info info;
	char text[1024];
	int rc, try;

	/* Between its lock and its own `info` there is an earlier one's. */
	for (try = 0; try < INFO_TRIES; try++) {
		info = (struct info){ 0 };
		rc = find_text(dir, path, "info", text, sizeof(text), e);
		if (rc <= 0)
			return rc;
		each_word(text, '\n', info_word, &info);
		if (rec->shim <= 0 || info.shim == rec->shim)
			break;
		nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
	}
	if (info.pid > 0 && info.pid <= INT_MAX)
		rec->pid = (pid_t)info.pid;
	rec->pid_start = (uint64_t)info.pid_start;
	rec->started_at = info.started_at;
	if (rec->shim > 0 && info.shim > 0 && (info.shim != rec->shim ||
	    (uint64_t)info.shim_start != platform_start_time(rec->shim)))
		return err_set(e, FAILED, "the lock of '%s' is held by process "
		    "%ld, which is not its shim", path, (long)rec->shim);
	return 1;
}

int
agent_find(const char *path, struct agent_record *rec, struct err *e)
{
	int dir, rc;

	*rec = (struct agent_record){ .found = AGENT_GONE };
	dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (dir < 0 && (errno == ENOENT || errno == ENOTDIR))
		return 0;
	if (dir < 0)
		return err_sys(e, FAILED, "open directory '%s'", path);
	rc = find_lock(dir, path, &rec->shim, e);
	if (rc > 0)
		rec->found = AGENT_ALIVE;
	if (rc >= 0 && find_info(dir, path, rec, e) < 0)
		rc = -1;
	if (rc == 0) {
		rc = find_exit(dir, path, rec, e);
		if (rc > 0)
			rec->found = AGENT_EXITED;
	}
	close(dir);
	return rc < 0 ? -1 : 0;
}

/* Files only, by descriptor: nothing but the shim has ever written there. */
static int
remove_files(int dir, const char *path, struct err *e)
{
	struct dirent *de;
	DIR *d = fdopendir(dir);

	if (d == NULL) {
		close(dir);
		return err_sys(e, FAILED, "read directory '%s'", path);
	}
	while ((de = readdir(d)) != NULL) {
		if (strcmp(de->d_name, ".") != 0 &&
		    strcmp(de->d_name, "..") != 0 &&
		    unlinkat(dir, de->d_name, 0) != 0 && errno != ENOENT) {
			err_sys(e, FAILED, "remove '%s/%s'", path, de->d_name);
			closedir(d);
			return -1;
		}
	}
	closedir(d);
	return 0;
}

int
agent_remove(const char *path, struct err *e)
{
	struct agent_record rec;
	int dir;

	if (agent_find(path, &rec, e) != 0)
		return -1;
	if (rec.found == AGENT_ALIVE)
		return err_set(e, FAILED, "the agent of '%s' runs", path);
	dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (dir < 0 && errno == ENOENT)
		return 0;
	if (dir < 0)
		return err_sys(e, FAILED, "open directory '%s'", path);
	if (remove_files(dir, path, e) != 0)
		return -1;
	return rmdir(path) == 0 || errno == ENOENT ? 0 :
	    err_sys(e, FAILED, "remove directory '%s'", path);
}
