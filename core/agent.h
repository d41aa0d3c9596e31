/*
 * agent.h - the daemon's end of an agent's shim.
 *
 * Each agent has a directory <state>/agents/<id>/ on the host side and one
 * small process, colibri-agent-shim (agent_shim.c), that owns the agent: it is
 * the subreaper and outlives the daemon. In the directory:
 *
 *	lock	locked (fcntl) by the shim for its whole life
 *	info	"key=value" lines: protocol, shim, shim_start, pid, pid_start,
 *		started_at. The starts are those of platform_start_time()
 *	sock	a later daemon connects here
 *	out.N	what the agent wrote to stdout from byte N on, 16 digits; the
 *	err.N	  last is being written. err.N: stderr. A line is never cut
 *	*.times	  between two, unless it is longer than four. Beside each:
 *		lines "<UNIX seconds> <byte>", when which byte came
 *	exit	"key=value" lines: code (-1: by signal), signal, ended_at, and as
 *		far as known user_usec, sys_usec, max_rss_kb (of the agent and
 *		all its descendants), signalled, killed (processes), victims
 *		("pid:name,..." of those killed), oom_killed (processes, by the
 *		kernel at memory.max), log_lost (log bytes not written)
 *
 * Wire, both ways: records of
 *	<type byte> <length, 4 bytes little endian> <bytes>
 * The link is the shim's descriptor 3, a socket pair, when the daemon started
 * it, or a connection to <dir>/sock; the newest link is the only one. A record
 * of a type that one does not know is skipped, and so is a word.
 *
 * daemon -> shim
 *	'S' spec: NUL-terminated words "key=value": protocol, dir, cwd, gate
 *	    (0; 1: in front of exec; jail: see below), stdin (0|1: a pipe for 'I'), grace, log_size, log_keep, exe
 *	    (what to exec), argv words "arg=...", environment words "env=...",
 *	    words "kill=..." of a program that may signal what the shim may
 *	    not, behind which "-<signal> <pid>..." is put, words "limit=..."
 *	    (see limits below), ready (0|1: a pipe as the agent's descriptor
 *	    3). First record of a socket pair
 *	'V' hello: NUL-terminated words: protocol. First record of a connection
 *	'G' go: let a held child exec.
 *	'I' input: "<number> <bytes>": bytes for the agent's stdin
 *	'K' stop: "<signal number> <grace seconds>"
 *	'k' signal: "<signal number>", to the agent, not as a stop
 * shim -> daemon
 *	'V' hello: NUL-terminated words: protocol, shim (pid), stdin (0|1).
 *	    First record
 *	'H' held: "<pid>" (gate only: forked, and not to run before 'G')
 *	'J' inside: "" (gate=jail only: it waits inside its jail)
 *	'P' started: "<pid>" (exec succeeded); again on each new link
 *	'F' failed: "<errno> <text>"; the shim then ends
 *	'E' event: one JSONL line of stdout that starts with '{' (at most 64 KiB);
 *	    {"type":"colibri_ready"} for the first line on descriptor 3
 *	'D' dropped: "<count>" events were not forwarded, this daemon being slow
 *	    or away, or the line too long
 *	'A' answer to 'I': "<number> <errno or 0> <bytes not yet taken>": ENOTSUP
 *	    (no pipe), EPIPE (closed), EAGAIN (too much waits): nothing of it
 *	    will be delivered. 0: all of it will, in order
 *	'X' ended: "<exit code or -1> <signal or 0>" and the further words of
 *	    <dir>/exit; all descendants are gone. A held child that is stopped
 *	    ends so too, but leaves no <dir>/exit
 *
 * With gate=1 the child waits in front of its exec. With gate=jail argv makes it
 * wait: what it runs inside the jail prints the line "colibri: inside" on stdout,
 * which is not logged, and goes on when it reads the line "go" from stdin; at the
 * end of stdin it ends. Without stdin=1 that is all there is to read.
 *
 * When the daemon's end closes, a held child is killed and never runs; an
 * agent that runs goes on, and of its events the newest are kept for the next
 * link. The shim takes signals, too: TERM stops the agent with the grace of
 * the spec, USR1 kills it at once.
 */
#ifndef COLIBRI_AGENT_H
#define COLIBRI_AGENT_H

#include <sys/types.h>

#include "core.h"
#include "err.h"
#include "loop.h"
#include "mem.h"
#include "reaper.h"

#define AGENT_PROTOCOL		2
#define AGENT_INPUT_MAX		(256 * 1024)	/* waiting for the agent */
#define AGENT_LOG_SIZE		(8 * 1024 * 1024)
#define AGENT_LOG_KEEP		4

struct agent;

/* How an agent ended; what is not known is 0 or "". */
struct agent_end {
	int code, signo;		/* -1 and a signal, or a code and 0 */
	int64_t ended_at;		/* UNIX seconds */
	int64_t user_usec, sys_usec, max_rss_kb;
	int64_t signalled, killed;	/* processes */
	int64_t oom_killed;		/* by the kernel, at memory.max */
	int64_t log_lost;		/* log bytes that could not be written */
	char victims[1024];		/* "pid:name,..." of those killed */
};

enum agent_report {
	AGENT_HELD,	/* pid */
	AGENT_INSIDE_JAIL,	/* held, and there */
	AGENT_STARTED,	/* pid; again after agent_attach() */
	AGENT_FAILED,	/* code = errno, text */
	AGENT_EVENT,	/* text, len: one JSON line, not yet checked */
	AGENT_DROPPED,	/* code = events lost before the next, at most INT_MAX */
	AGENT_INPUT,	/* number, code = errno or 0, waiting */
	AGENT_ENDED,	/* end */
	AGENT_LOST,	/* the shim went away without 'X' or 'F' */
};
struct agent_msg {
	enum agent_report what;
	pid_t pid;
	int code;
	const char *text;	/* valid during the callback; not terminated */
	size_t len;
	long number;
	int64_t waiting;
	const struct agent_end *end;
};
/* After FAILED, ENDED or LOST nothing more comes. */
typedef void agent_cb(struct agent *a, const struct agent_msg *msg, void *arg);

enum agent_gate {
	AGENT_GATE_NONE,
	AGENT_GATE_EXEC,	/* held in front of exec */
	AGENT_GATE_JAIL,	/* argv waits inside the jail; see above */
};

struct agent_spec {
	const char *id;			/* names the directory: [A-Za-z0-9_-]+ */
	const char *shim;		/* absolute path of colibri-agent-shim */
	const char *dir;		/* absolute; made 0700 */
	const char *const *argv;	/* the launcher's argv, argv[0] absolute */
	const char *const *envp;
	const char *const *kill;	/* signals what we may not; NULL: none */
	const char *cwd;		/* NULL: "/" */
	enum agent_gate gate;
	bool input;			/* stdin is a pipe, not /dev/null */
	bool ready;			/* descriptor 3: a line says: ready */
	/* "NAME:SOFT" or "NAME:SOFT:HARD" (as core cpu data fsize memlock nofile
	 * nproc stack; a number or "unlimited"), "nice:N", "umask:OCTAL";
	 * Linux: "cgroup:DIR", made for it, and "cgset:FILE=VALUE" in there */
	const char *const *limits;	/* NULL: none */
	double grace;			/* of a stop that names none; 0: 10 s */
	int64_t log_size, log_keep;	/* bytes, files per stream; 0: default */
};

/* Borrows spec for the call. Codes: those of spawn_start and BadPath. The
 * callback never comes from inside the call. */
int agent_start(struct loop *l, struct reaper *r, const struct agent_spec *spec,
    agent_cb *cb, void *arg, struct agent **ap, struct err *e);

/* Talk to the living shim of an agent that an earlier daemon started. STARTED
 * comes first when it runs, then what it has kept. Code: AgentStateFailed. */
int agent_attach(struct loop *l, const char *id, const char *dir, agent_cb *cb,
    void *arg, struct agent **ap, struct err *e);

void agent_go(struct agent *a);
/* grace < 0: that of the spec. */
void agent_stop(struct agent *a, int signo, double grace);
/* A signal that is no stop: HUP, USR1, ... to all of it. */
void agent_signal(struct agent *a, int signo);
/* Bytes for its stdin; INPUT answers with the number. Returns the number; 0
 * when there is no link: nobody will answer. */
long agent_input(struct agent *a, const char *bytes, size_t len);
pid_t agent_shim_pid(const struct agent *a);

/* Stop listening; the shim and the agent live on, unless it is held. NULL
 * allowed, and so is the call from the callback. */
void agent_free(struct agent *a);

/* What the state directory says about an agent of an earlier daemon. */
enum agent_found { AGENT_ALIVE, AGENT_EXITED, AGENT_GONE };
struct agent_record {
	enum agent_found found;
	pid_t shim;		/* lock holder (fcntl F_GETLK), when alive */
	pid_t pid;		/* of the agent, as the shim wrote it; 0 */
	uint64_t pid_start;	/* see platform_start_time(); 0: not known */
	int64_t started_at;	/* UNIX seconds; 0: not known */
	struct agent_end end;	/* when exited */
};
/* A missing directory is AGENT_GONE, and so is an agent that left no status
 * (its shim was killed, or it never ran). A lock that somebody else than the
 * shim holds is an error: its pid and start time must be those in `info`.
 * Code: AgentStateFailed. */
int agent_find(const char *dir, struct agent_record *rec, struct err *e);

/* After its shim was killed: KILL what is left of the agent, by the session
 * it led (while that number is surely its own) and by COLIBRI_AGENT_ID in the
 * environment of processes. Returns how many were found. */
int agent_sweep(const char *id, const struct agent_record *rec);

/* Remove the directory of an agent that has ended, which holds files only. 0,
 * also when it is not there. Code: AgentStateFailed. */
int agent_remove(const char *dir, struct err *e);

/* --- logs --- */

struct agent_log_pos {
	bool err;		/* stderr */
	uint64_t at;		/* byte in the stream */
};
/* Up to max bytes from pos on, and move pos behind them. missed: bytes before
 * them that rotation has removed. Returns how many, 0 at the end, -1 with
 * AgentStateFailed. */
ssize_t agent_log_read(const char *dir, struct agent_log_pos *pos, char *bytes,
    size_t max, uint64_t *missed, struct err *e);
/* Where the stream begins and ends now (both 0: no log), and the first byte
 * that may have come at or after `since` (UNIX seconds). */
int agent_log_range(const char *dir, bool err, int64_t since, uint64_t *begin,
    uint64_t *end, uint64_t *from, struct err *e);
/* The byte where the last `lines` lines begin. */
int agent_log_tail(const char *dir, bool err, uint64_t lines, uint64_t *from,
    struct err *e);

#endif
