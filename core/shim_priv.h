/*
 * shim_priv.h - the parts of colibri-agent-shim; nobody else includes it.
 *
 *	agent_shim.c	main, what happens when, the end
 *	shim_link.c	records from and to the daemon, also a later one
 *	shim_say.c	what it is told
 *	shim_child.c	the agent's process
 *	shim_gate.c	one that is held inside its jail
 *	shim_spec.c	what to start
 *	shim_limits.c	what its process may use
 *	shim_input.c	bytes for its stdin
 *	shim_dir.c	lock, socket, info and exit status on disk
 *	shim_log.c	its output on disk
 *	shim_lines.c	events in the agent's stdout
 *	shim_stop.c	signals, deadlines, what was killed
 *	shim_platform.c	descendants
 */
#ifndef COLIBRI_SHIM_PRIV_H
#define COLIBRI_SHIM_PRIV_H

#include <sys/types.h>
#include <sys/queue.h>

#include "core.h"
#include "err.h"
#include "mem.h"
#include "secret.h"
#include "shim_platform.h"

#define SHIM_PROTOCOL	2		/* as in agent.h */
#define SHIM_INSIDE	"colibri: inside\n"	/* the gate's lines, as in agent.h */
#define SHIM_GO		"go\n"
#define SHIM_RECORD_MAX	(1024 * 1024)	/* payload bytes, as in agent.c */
#define SHIM_QUEUE_MAX	(1024 * 1024)	/* waiting for the daemon to read */
#define SHIM_AWAY_MAX	(64 * 1024)	/* the same while there is none */
#define SHIM_INPUT_MAX	(256 * 1024)	/* waiting for the agent to read */
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

/* The daemon is gone. Events that it has not read wait for the next one. */
void shim_link_close(struct shim_link *l);

/* A daemon has connected; the link to an earlier one is closed. */
void shim_link_open(struct shim_link *l, int fd);

/* Read what is there. Closes the link when the daemon is gone. */
void shim_link_read(struct shim_link *l);

/* Take the next whole record; payload is valid until the next call. */
bool shim_link_next(struct shim_link *l, char *type, const char **payload,
    size_t *len);

/* Forget (and wipe) the record given out last. */
void shim_link_done(struct shim_link *l);

/* Queue a record. Events ('E') may be dropped, oldest first; no other is. With
 * no daemon there, only events are kept. */
void shim_link_send(struct shim_link *l, char type, const void *payload,
    size_t len);
/* The same, before everything that waits. */
void shim_link_send_first(struct shim_link *l, char type, const void *payload,
    size_t len);

/* Write what the socket takes, without blocking. */
void shim_link_flush(struct shim_link *l);

/* --- shim_spec.c --- */

struct shim_spec {
	struct secret_buf words;	/* the strings below point into it */
	const char *dir, *cwd, *exe;
	bool gate;			/* held at first */
	bool inside;			/* by argv itself, inside the jail */
	bool input;			/* stdin is a pipe */
	bool ready;			/* a pipe as its descriptor 3 */
	double grace;
	uint64_t log_size;
	size_t log_keep;
	char **argv, **envp;
	char **kill;			/* copies; NULL: none */
	size_t nkill;
	char **limits;			/* copies: "nofile:64", "nice:5" */
	size_t nlimits;
};

int shim_spec_parse(struct shim_spec *spec, const char *words, size_t len,
    struct err *e);
/* Wipes; keeps dir, cwd, exe and kill, which are no secrets. */
void shim_spec_wipe_words(struct shim_spec *spec);

/* --- shim_limits.c --- */

/* Give them to this process. Returns -1, or with errno the number of the one
 * that was refused. */
int shim_limits_apply(const struct shim_spec *spec);

/* The daemon has raised its limit of descriptors; an agent that uses select(2)
 * must not have more than this. One that is asked for is set later. */
void shim_limits_usual(void);
/* In the shim, once nobody is left: remove the cgroup. Returns how many of its
 * processes were killed because memory.max was reached. */
int64_t shim_limits_end(const struct shim_spec *spec);

/* --- shim_child.c --- */

struct shim_child {
	pid_t pid;
	int in;			/* its stdin, non-blocking; -1: none, or held */
	int out, err;		/* its stdout and stderr, non-blocking */
	int ready;		/* its descriptor 3, non-blocking; -1: none */
	int exec;		/* exec's failure, or EOF when it succeeded */
	int gate;		/* -1 unless held: see shim_child_release() */
};

int shim_child_start(const struct shim_spec *spec, struct shim_child *c,
    struct err *e);
/* Let it go. c->in is there from now on, if at all. */
void shim_child_release(const struct shim_spec *spec, struct shim_child *c);

/* What the child wrote to c->exec: 1 and e filled when exec failed, 0 when it
 * succeeded (or the child died before it), -1 when not known yet. */
int shim_child_result(const struct shim_spec *spec, struct shim_child *c,
    struct err *e);

/* --- shim_gate.c --- */

struct shim_gate {
	bool waits;		/* for the line that says: inside */
	struct buf seen;	/* of stdout until then */
};

/* Look for the line at the end of what has come. The first *len bytes of
 * g->seen are the launcher's output, and the caller drains them. Returns true when
 * the agent is inside; nothing is left in seen behind them then. */
bool shim_gate_look(struct shim_gate *g, const char *data, size_t n,
    size_t *len);

/* --- shim_input.c --- */

struct shim_input {
	int fd;				/* -1: closed, or there never was one */
	bool any;			/* there was one, or will be: */
	bool held;			/* what is added waits for it */
	struct secret_buf waiting;	/* may be prompts */
};

/* Queue for the agent's stdin: 0, or an errno: ENOTSUP, EPIPE, EAGAIN. */
int shim_input_add(struct shim_input *in, const char *bytes, size_t len);
/* Write what the pipe takes. */
void shim_input_flush(struct shim_input *in);

/* --- shim_log.c --- */

struct shim_log {
	int dir;
	const char *name;		/* "out", "err" */
	int fd, times;
	uint64_t start, at;		/* of the file, and its end now */
	uint64_t size;
	size_t keep;
	bool clean;			/* the last byte ended a line */
	int64_t marked;			/* last second in `times` */
	uint64_t lost;			/* bytes that could not be written */
};

int shim_log_open(struct shim_log *l, int dir, const char *name, uint64_t size,
    size_t keep);
void shim_log_write(struct shim_log *l, const char *data, size_t len);

/* --- shim_dir.c --- */

struct shim_dir {
	int fd, lock;
	int sock;			/* listens; -1: too bad */
	struct shim_log out, err;
};

/* Make and check the directory, go there, take the lock, forget what an
 * earlier agent left, open the logs, listen. */
int shim_dir_open(struct shim_dir *d, const struct shim_spec *spec,
    struct err *e);
/* A daemon that has connected, or -1. */
int shim_dir_accept(struct shim_dir *d);
/* Who we are. */
int shim_dir_info(struct shim_dir *d, pid_t pid);
/* Words "key=value", each behind a newline: of the file `exit`. */
int shim_dir_exit(struct shim_dir *d, const char *text);

/* --- shim_stop.c --- */

enum shim_phase {
	SHIM_RUNS,
	SHIM_TERM,		/* asked to end; KILL at the deadline */
	SHIM_KILL		/* KILL again at each deadline until alone */
};

struct shim_stop {
	const struct shim_child *child;
	const struct shim_spec *spec;
	enum shim_phase phase;
	double deadline;		/* of the phase, as shim_now() */
	double kill_every;
	pid_t hangs;		/* of spec->kill, and does not end; 0 */
	struct shim_hits signalled, killed;
	int64_t oom_killed;		/* processes, by the kernel */
};

double shim_now(void);

/* Signal, and KILL at the end of the grace; at once when that is 0 or signo is
 * KILL. A further request may shorten the grace but not extend it. */
void shim_stop(struct shim_stop *st, int signo, double grace);
/* A signal that asks for something else than the end. */
void shim_signal(struct shim_stop *st, int signo);
/* Does what is due. */
void shim_stop_turn(struct shim_stop *st);
/* Append the words of <dir>/exit behind code and signal, a newline after each. */
void shim_stop_words(const struct shim_stop *st, uint64_t lost, struct buf *b);

/* --- shim_lines.c --- */

struct shim_lines {
	char line[SHIM_LINE_MAX];
	size_t len;
	bool skip;			/* until the next newline */
	bool too_long;			/* and it would have been an event */
};

/* Find the lines that start with '{' and send each as an event. */
void shim_lines_add(struct shim_lines *s, const char *data, size_t len,
    struct shim_link *l);
void shim_lines_end(struct shim_lines *s, struct shim_link *l);

/* Read the agent's descriptor 3: a newline says that it is ready, and to the
 * daemon that is an event like others. Closes it then, or at its end. */
void shim_ready_read(int *fd, struct shim_link *l);

/* --- the shim: agent_shim.c, shim_say.c --- */

struct shim {
	struct shim_link link;
	struct shim_spec spec;
	struct shim_dir dir;
	struct shim_child child;
	struct shim_lines lines;
	struct shim_input input;
	struct shim_gate gate;
	struct shim_stop stop;
	bool held;		/* not released: it has not run anything */
	bool exec_failed;
	struct err exec_err;
	int status;		/* of the agent itself */
	bool alone;		/* no child is left */
};

/* Released, and its exec has succeeded. */
bool shim_runs(const struct shim *sh);

/* The agent's pid: 'H', held, or 'P', started. */
void shim_say_pid(struct shim *sh, char type);
/* The first record; payload as in agent.h. */
void shim_say_hello(struct shim *sh);
void shim_say_failed(struct shim *sh, const struct err *e);
/* How it ended. One that was held did not run: no status to record. */
void shim_say_ended(struct shim *sh);
/* Give the daemon the time to read the last records, not more. */
void shim_say_last(struct shim *sh);

#endif
