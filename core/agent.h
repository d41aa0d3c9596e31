/*
 * agent.h - the daemon's end of an agent's shim.
 *
 * Each agent has a directory <state>/agents/<id>/ on the host side and one
 * small process, colibri-agent-shim (agent_shim.c), that owns the agent: it is
 * the subreaper, holds <dir>/lock for its whole life, writes <dir>/log, and at
 * the end <dir>/exit. The shim outlives the daemon.
 *
 * Wire (socketpair, the shim's descriptor 3), both ways: records of
 *	<type byte> <length, 4 bytes little endian> <bytes>
 *
 * daemon -> shim
 *	'S' spec: NUL-terminated words "key=value": dir, cwd, gate (0|1), grace,
 *	    then argv words "arg=...", environment words "env=...". First record.
 *	'G' go: let a held child exec.
 *	'K' stop: "<signal number> <grace seconds>"
 * shim -> daemon
 *	'H' held: "<pid>" (gate only: forked, waiting before exec)
 *	'P' started: "<pid>" (exec succeeded)
 *	'F' failed: "<errno> <text>"; the shim then ends
 *	'E' event: one JSONL line of stdout that starts with '{' (at most 64 KiB)
 *	'X' ended: "<exit code or -1> <signal or 0>"; all descendants are gone
 */
#ifndef COLIBRI_AGENT_H
#define COLIBRI_AGENT_H

#include <sys/types.h>

#include "core.h"
#include "err.h"
#include "loop.h"
#include "reaper.h"

struct agent;

enum agent_report {
	AGENT_HELD,	/* pid */
	AGENT_STARTED,	/* pid */
	AGENT_FAILED,	/* code = errno, text */
	AGENT_EVENT,	/* text, len: one JSON line, not yet checked */
	AGENT_ENDED,	/* code = exit code or -1, signo */
	AGENT_LOST,	/* the shim went away without 'X' or 'F' */
};
struct agent_msg {
	enum agent_report what;
	pid_t pid;
	int code, signo;
	const char *text;	/* valid during the callback */
	size_t len;
};
/* After FAILED, ENDED or LOST nothing more comes. */
typedef void agent_cb(struct agent *a, const struct agent_msg *msg, void *arg);

struct agent_spec {
	const char *id;			/* names the directory: [A-Za-z0-9_-]+ */
	const char *shim;		/* absolute path of colibri-agent-shim */
	const char *dir;		/* absolute; made 0700 */
	const char *const *argv;	/* the launcher's argv, argv[0] absolute */
	const char *const *envp;
	const char *cwd;		/* NULL: "/" */
	bool gate;
	double grace;			/* of a stop that names none */
};

/* Borrows spec for the call. Codes: those of spawn_start and BadPath. */
int agent_start(struct loop *l, struct reaper *r, const struct agent_spec *spec,
    agent_cb *cb, void *arg, struct agent **ap, struct err *e);

void agent_go(struct agent *a);
void agent_stop(struct agent *a, int signo, double grace);
pid_t agent_shim_pid(const struct agent *a);

/* Stop listening; the shim and the agent live on. NULL allowed. */
void agent_free(struct agent *a);

/* What the state directory says about an agent of an earlier daemon. */
enum agent_found { AGENT_ALIVE, AGENT_EXITED, AGENT_GONE };
struct agent_record {
	enum agent_found found;
	pid_t shim;		/* lock holder (fcntl F_GETLK), when alive */
	int code, signo;	/* when exited */
	int64_t ended_at;	/* UNIX seconds, when exited */
};
int agent_find(const char *dir, struct agent_record *rec, struct err *e);

#endif
