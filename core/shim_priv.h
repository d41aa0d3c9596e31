/*
 * shim_priv.h - the parts of colibri-agent-shim; nobody else includes it.
 *
 *	agent_shim.c	main, what happens when, the end
 *	shim_link.c	records from and to the daemon
 *	shim_child.c	the spec and the agent's process
 *	shim_dir.c	lock, log and exit status on disk
 *	shim_lines.c	events in the agent's stdout
 *	shim_platform.c	descendants
 */
#ifndef COLIBRI_SHIM_PRIV_H
#define COLIBRI_SHIM_PRIV_H

#include <sys/types.h>
#include <sys/queue.h>

#include "core.h"
#include "err.h"
#include "secret.h"

#define SHIM_RECORD_MAX	(1024 * 1024)	/* payload bytes, as in agent.c */
#define SHIM_QUEUE_MAX	(1024 * 1024)	/* waiting for the daemon to read */
#define SHIM_LINE_MAX	(64 * 1024)	/* longest event */

/* --- shim_link.c --- */

struct shim_record;

struct shim_link {
	int fd;				/* -1: the daemon is gone */
	struct secret_buf in;		/* holds environment values */
	size_t used;			/* of in: the record given out last */
	TAILQ_HEAD(shim_records, shim_record) out;
	size_t queued;			/* bytes in out */
	unsigned long dropped;		/* events not yet reported as such */
};

void shim_link_init(struct shim_link *l, int fd);
void shim_link_close(struct shim_link *l);

/* Read what is there. Closes the link when the daemon is gone. */
void shim_link_read(struct shim_link *l);

/* Take the next whole record; payload is valid until the next call. */
bool shim_link_next(struct shim_link *l, char *type, const char **payload,
    size_t *len);

/* Forget (and wipe) the record given out last. */
void shim_link_done(struct shim_link *l);

/* Queue a record. Events ('E') may be dropped, oldest first; no other is. */
void shim_link_send(struct shim_link *l, char type, const void *payload,
    size_t len);

/* Write what the socket takes, without blocking. */
void shim_link_flush(struct shim_link *l);

/* --- shim_child.c --- */

struct shim_spec {
	struct secret_buf words;	/* the strings below point into it */
	const char *dir, *cwd, *exe;
	bool gate;
	double grace;
	char **argv, **envp;
};

int shim_spec_parse(struct shim_spec *spec, const char *words, size_t len,
    struct err *e);
/* Wipes; keeps dir, cwd and exe, which are no secrets. */
void shim_spec_wipe_words(struct shim_spec *spec);

struct shim_child {
	pid_t pid;
	int out, err;		/* its stdout and stderr, non-blocking */
	int exec;		/* exec's failure, or EOF when it succeeded */
	int gate;		/* -1 unless held: see shim_child_release() */
};

int shim_child_start(const struct shim_spec *spec, struct shim_child *c,
    struct err *e);
void shim_child_release(struct shim_child *c);

/* What the child wrote to c->exec: 1 and e filled when exec failed, 0 when it
 * succeeded (or the child died before it), -1 when not known yet. */
int shim_child_result(const struct shim_spec *spec, struct shim_child *c,
    struct err *e);

/* --- shim_dir.c --- */

struct shim_dir {
	int fd, lock, log;
	unsigned long lost;		/* log bytes that could not be written */
};

/* Make and check the directory, take the lock, forget an earlier exit status,
 * open the log. */
int shim_dir_open(struct shim_dir *d, const char *path, struct err *e);
void shim_dir_log(struct shim_dir *d, const char *data, size_t len);
int shim_dir_exit(struct shim_dir *d, int code, int signo);

/* --- shim_lines.c --- */

struct shim_lines {
	char line[SHIM_LINE_MAX];
	size_t len;
	bool skip;			/* until the next newline */
};

/* Find the lines that start with '{' and send each as an event. */
void shim_lines_add(struct shim_lines *s, const char *data, size_t len,
    struct shim_link *l);
void shim_lines_end(struct shim_lines *s, struct shim_link *l);

#endif
