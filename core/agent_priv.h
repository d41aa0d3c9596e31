/*
 * agent_priv.h - between agent.c (an agent's life as the daemon sees it),
 * agent_link.c (records), agent_spec.c (what to start) and agent_find.c (what
 * is on disk). Nobody else includes it.
 */
#ifndef COLIBRI_AGENT_PRIV_H
#define COLIBRI_AGENT_PRIV_H

#include "agent.h"
#include "secret.h"

struct event;

#define AGENT_HEADER		5		/* type, length */
#define AGENT_RECORD_MAX	(1024 * 1024)	/* payload bytes */
#define AGENT_GRACE_TEXT	48

struct agent {
	struct loop *loop;
	struct reaper *reaper;		/* NULL: attached, not our child */
	agent_cb *cb;
	void *arg;
	char *id, *dir;
	double grace;
	pid_t shim;
	pid_t child;			/* once known: leads its group */
	bool reaped;
	int fd;				/* -1: closed */
	struct event *readable, *writable;
	struct event *look;		/* attached: at the lock, when closed */
	struct buf in;
	struct secret_buf out;		/* holds environment values */
	size_t sent;			/* of out */
	long input;			/* number of the last one sent */
	bool ran;			/* 'P' came: <dir>/exit is this run's */
	bool finished;			/* FAILED, ENDED or LOST was told */
	int depth;			/* of callbacks; no free meanwhile */
	bool freed;
};

/* --- agent.c --- */

/* Around everything that may call back: agent_free() from there is honoured
 * when the outermost of it is left. */
void agent_enter(struct agent *a);
void agent_leave(struct agent *a);
void agent_tell(struct agent *a, const struct agent_msg *msg);
/* The link is closed, by a shim that ended or by one that talks nonsense. */
void agent_closed(struct agent *a);

/* --- agent_link.c --- */

/* Watch fd, which is the agent's from here on. Code: SpawnFailed. */
int agent_link_open(struct agent *a, int fd, struct err *e);
void agent_link_close(struct agent *a);
/* One read. Returns whether there may be more at once. */
bool agent_link_read(struct agent *a);
/* Write what waits in out. */
void agent_link_write(struct agent *a);
void agent_link_send(struct agent *a, char type, const void *payload,
    size_t len);

/* --- agent_spec.c --- */

/* Code: BadPath. */
int agent_check_spec(const struct agent_spec *spec, struct err *e);

/* Append a record. */
void agent_add_record(struct secret_buf *b, char type, const void *payload,
    size_t len);

/* Append the record 'S'; exe is argv[0] with links resolved. Code:
 * SpawnFailed, when it is too long. */
int agent_add_spec(struct secret_buf *b, const struct agent_spec *spec,
    const char *exe, double grace, struct err *e);

/* The grace, or the other one when it is not a sensible time. */
double agent_grace(double grace, double otherwise);

/* Seconds as text of at most AGENT_GRACE_TEXT bytes. */
void agent_grace_text(double grace, char *text);

/* --- agent_find.c --- */

/* Take what is known out of words "key=value", each ended by sep or the end. */
void agent_end_words(struct agent_end *end, const char *words, char sep);

#endif
