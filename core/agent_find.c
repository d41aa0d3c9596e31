/*
 * agent_find.c - what a state directory says about an agent of an earlier
 * daemon; see agent.h.
 *
 * The lock decides, not a pid: it is there exactly as long as the shim. The
 * shim writes the status before it lets go of the lock, so a status read after
 * the lock was seen free is final.
 */
#include <sys/types.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent.h"

#define FAILED	"AgentStateFailed"

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

/* 1 read, 0 not there. A file that is not as the shim writes it is an error. */
static int
find_exit(int dir, const char *path, struct agent_record *rec, struct err *e)
{
	char text[128];
	long long ended;
	ssize_t n;
	int fd, end = 0;

	fd = openat(dir, "exit", O_RDONLY | O_CLOEXEC | O_NOFOLLOW |
	    O_NONBLOCK);
	if (fd < 0 && errno == ENOENT)
		return 0;
	if (fd < 0)
		return err_sys(e, FAILED, "open '%s/exit'", path);
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (n < 0)
		return err_sys(e, FAILED, "read '%s/exit'", path);
	text[n] = '\0';
	if (sscanf(text, "code=%d signal=%d ended_at=%lld%n", &rec->code,
	    &rec->signo, &ended, &end) != 3 || text[end] != '\n' ||
	    text[end + 1] != '\0')
		return err_set(e, FAILED, "'%s/exit' is not a status", path);
	rec->ended_at = ended;
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
	else if (rc == 0) {
		rc = find_exit(dir, path, rec, e);
		if (rc > 0)
			rec->found = AGENT_EXITED;
	}
	close(dir);
	return rc < 0 ? -1 : 0;
}
