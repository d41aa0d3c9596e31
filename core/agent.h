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
 *	    exe (what to exec), argv words "arg=...", environment words
 *	    "env=...". First record.
 *	'G' go: let a held child exec.
 *	'K' stop: "<signal number> <grace seconds>"
 * shim -> daemon
 *	'H' held: "<pid>" (gate only: forked, waiting before exec)
 *	'P' started: "<pid>" (exec succeeded)
 *	'F' failed: "<errno> <text>"; the shim then ends
 *	'E' event: one JSONL line of stdout that starts with '{' (at most 64 KiB)
 *	'D' dropped: "<count>" events were not forwarded, this daemon being slow
 *	'X' ended: "<exit code or -1> <signal or 0>"; all descendants are gone.
 *	    A held child that is stopped ends so too, but leaves no <dir>/exit
 *
 * When the daemon's end closes, a held child is killed and never runs; an
 * agent that runs goes on. The shim takes signals, too: TERM stops the agent
 * with the grace of the spec, USR1 kills it at once.
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
	AGENT_DROPPED,	/* code = how many events were lost before the next */
	AGENT_ENDED,	/* code = exit code or -1, signo */
	AGENT_LOST,	/* the shim went away without 'X' or 'F' */
};
struct agent_msg {
	enum agent_report what;
	pid_t pid;
	int code, signo;
	const char *text;	/* valid during the callback; not terminated */
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
	double grace;			/* of a stop that names none; 0: 10 s */
};

/* Borrows spec for the call. Codes: those of spawn_start and BadPath. The
 * callback never comes from inside the call. */
int agent_start(struct loop *l, struct reaper *r, const struct agent_spec *spec,
    agent_cb *cb, void *arg, struct agent **ap, struct err *e);

void agent_go(struct agent *a);
/* grace < 0: that of the spec. */
void agent_stop(struct agent *a, int signo, double grace);
pid_t agent_shim_pid(const struct agent *a);

/* Stop listening; the shim and the agent live on, unless it is held. NULL
 * allowed, and so is the call from the callback. */
void agent_free(struct agent *a);

/* What the state directory says about an agent of an earlier daemon. */
enum agent_found { AGENT_ALIVE, AGENT_EXITED, AGENT_GONE };
struct agent_record {
	enum agent_found found;
	pid_t shim;		/* lock holder (fcntl F_GETLK), when alive */
	int code, signo;	/* when exited */
	int64_t ended_at;	/* UNIX seconds, when exited */
};
/* A missing directory is AGENT_GONE, and so is an agent that left no status
 * (its shim was killed, or it never ran). Code: AgentStateFailed. */
int agent_find(const char *dir, struct agent_record *rec, struct err *e);

#endif
