/*
 * spawn.c - run a program and collect what it says; see spawn.h.
 *
 * The life of a child: it runs; its deadline or an overflow ends it (TERM, then
 * KILL after the grace); the reaper tells its status; its output pipes come to
 * their end, or DRAIN_SECONDS pass. Then the callback is called. The pid, which
 * is the group's number too, is not used for a signal after that.
 */
#include <sys/types.h>
#include <sys/wait.h>

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "spawn_priv.h"

#define DRAIN_SECONDS	0.5	/* for pipes that outlive the child */
#define READ_LEAST	4096
#define READ_MOST	65536

struct stream {
	int fd;			/* -1: closed */
	struct event *ev;
};

struct spawn {
	struct loop *loop;
	struct reaper *reaper;
	pid_t pid;
	spawn_done_cb *cb;
	void *arg;
	struct stream in, out, err;
	struct event *timer;
	double grace, begun;
	size_t max_out, max_err;
	bool kill_on_overflow, secret;
	char *input;			/* a copy, or NULL */
	struct secret *input_secret;	/* a reference, or NULL */
	size_t input_len, input_off;
	struct spawn_result result;
	int status;
	bool reaped;
	bool ending;			/* TERM was sent */
	bool done;			/* the callback is being called */
	bool freed;			/* from inside the callback */
};

static void
stream_close(struct stream *st)
{
	if (st->ev != NULL)
		event_free(st->ev);
	if (st->fd >= 0)
		close(st->fd);
	st->ev = NULL;
	st->fd = -1;
}

static void
spawn_arm(struct spawn *s, double seconds)
{
	struct timeval tv;

	if (seconds > 1e9)
		seconds = 1e9;
	tv.tv_sec = (time_t)seconds;
	tv.tv_usec = (suseconds_t)((seconds - (double)tv.tv_sec) * 1e6);
	event_add(s->timer, &tv);
}

static void
spawn_release(struct spawn *s)
{
	stream_close(&s->in);
	stream_close(&s->out);
	stream_close(&s->err);
	if (s->timer != NULL)
		event_free(s->timer);
	free(s->input);
	secret_unref(s->input_secret);
	buf_free(&s->result.out);
	buf_free(&s->result.err);
	secret_buf_free(&s->result.secret_out);
	free(s);
}

/* Ask the group to end, and see to it. */
static void
spawn_end(struct spawn *s)
{
	if (s->ending || s->reaped)
		return;
	s->ending = true;
	kill(-s->pid, SIGTERM);
	spawn_arm(s, s->grace);
}

static void
spawn_finish(struct spawn *s)
{
	struct spawn_result *r = &s->result;

	/* Who was asked to end and ignored it has nobody left to wait for it.
	 * The group's number is not free for others while it has members. */
	if (s->ending || s->out.fd >= 0 || s->err.fd >= 0)
		kill(-s->pid, SIGKILL);
	stream_close(&s->in);
	stream_close(&s->out);
	stream_close(&s->err);
	event_del(s->timer);
	r->exit_code = WIFEXITED(s->status) ? WEXITSTATUS(s->status) : -1;
	r->signo = WIFSIGNALED(s->status) ? WTERMSIG(s->status) : 0;
	r->seconds = loop_now_fresh(s->loop) - s->begun;
	s->done = true;
	s->cb(s, r, s->arg);
	s->done = false;
	if (s->freed)
		spawn_release(s);
}

static void
spawn_check_done(struct spawn *s)
{
	if (s->reaped && s->out.fd < 0 && s->err.fd < 0)
		spawn_finish(s);
}

static void
spawn_reaped_cb(pid_t pid, int status, void *arg)
{
	struct spawn *s = arg;

	(void)pid;
	s->reaped = true;
	s->status = status;
	if (s->out.fd >= 0 || s->err.fd >= 0)
		spawn_arm(s, DRAIN_SECONDS);
	spawn_check_done(s);
}

static void
spawn_timer_cb(evutil_socket_t fd, short what, void *arg)
{
	struct spawn *s = arg;

	(void)fd;
	(void)what;
	if (s->reaped) {
		spawn_finish(s);
	} else if (s->ending) {
		kill(-s->pid, SIGKILL);
	} else {
		s->result.timed_out = true;
		spawn_end(s);
	}
}

/* --- the child's stdout and stderr --- */

/* Where up to *size more bytes of a stream go; NULL when its cap is reached. */
static void *
stream_room(struct spawn *s, struct stream *st, size_t *size)
{
	bool out = st == &s->out;
	size_t len, left;

	if (out && s->secret)
		len = s->result.secret_out.len;
	else
		len = out ? s->result.out.len : s->result.err.len;
	left = (out ? s->max_out : s->max_err) - len;
	if (left == 0)
		return NULL;
	*size = len < READ_LEAST ? READ_LEAST : len;
	if (*size > READ_MOST)
		*size = READ_MOST;
	if (*size > left)
		*size = left;
	if (out && s->secret)
		return secret_buf_reserve(&s->result.secret_out, *size);
	return buf_reserve(out ? &s->result.out : &s->result.err, *size);
}

static void
stream_take(struct spawn *s, struct stream *st, size_t n)
{
	if (st == &s->err)
		s->result.err.len += n;
	else if (s->secret)
		s->result.secret_out.len += n;
	else
		s->result.out.len += n;
}

static void
stream_read(struct spawn *s, struct stream *st)
{
	char waste[READ_LEAST];
	size_t size = sizeof(waste);
	void *room = stream_room(s, st, &size);
	ssize_t n = read(st->fd, room != NULL ? room : waste, size);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		stream_close(st);
		spawn_check_done(s);
	} else if (room != NULL) {
		stream_take(s, st, (size_t)n);
	} else {
		secret_wipe(waste, (size_t)n);
		s->result.overflow = true;
		if (s->kill_on_overflow)
			spawn_end(s);
	}
}

const struct buf *
spawn_stderr(struct spawn *s)
{
	size_t before, room;
	ssize_t n;
	void *p;

	/* An end of the stream is left to the loop, which may finish s. */
	while (s->err.fd >= 0 && (p = stream_room(s, &s->err, &room)) != NULL) {
		before = s->result.err.len;
		n = read(s->err.fd, p, room);
		if (n <= 0)
			break;
		s->result.err.len = before + (size_t)n;
	}
	return &s->result.err;
}

static void
spawn_out_cb(evutil_socket_t fd, short what, void *arg)
{
	struct spawn *s = arg;

	(void)fd;
	(void)what;
	stream_read(s, &s->out);
}

static void
spawn_err_cb(evutil_socket_t fd, short what, void *arg)
{
	struct spawn *s = arg;

	(void)fd;
	(void)what;
	stream_read(s, &s->err);
}

/* --- the child's stdin --- */

/* An embedding program may not ignore SIGPIPE; take it back when it is ours.
 * A socket (and MSG_NOSIGNAL) would not do: shells treat one as a remote
 * login, and /dev/stdin cannot be opened on it. */
static ssize_t
write_quietly(int fd, const void *p, size_t len)
{
	static const struct timespec now;
	sigset_t sigpipe, pending, old;
	ssize_t n;
	int saved;

	sigemptyset(&sigpipe);
	sigaddset(&sigpipe, SIGPIPE);
	sigemptyset(&pending);
	sigpending(&pending);
	pthread_sigmask(SIG_BLOCK, &sigpipe, &old);
	n = write(fd, p, len);
	saved = errno;
	if (n < 0 && saved == EPIPE && !sigismember(&pending, SIGPIPE))
		sigtimedwait(&sigpipe, NULL, &now);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	errno = saved;
	return n;
}

static void
spawn_in_cb(evutil_socket_t fd, short what, void *arg)
{
	struct spawn *s = arg;
	const char *p = s->input_secret != NULL ?
	    secret_bytes(s->input_secret) : s->input;
	ssize_t n;

	(void)fd;
	(void)what;
	while (s->input_off < s->input_len) {
		n = write_quietly(s->in.fd, p + s->input_off,
		    s->input_len - s->input_off);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n < 0)
			break;		/* the child does not want it */
		s->input_off += (size_t)n;
	}
	stream_close(&s->in);
}

/* --- start --- */

/* One pipe: ours non-blocking in st->fd, the child's in *child. */
static int
stream_open(struct stream *st, bool child_reads, int *child)
{
	int p[2];

	if (pipe2(p, O_CLOEXEC) != 0)
		return -1;
	*child = p[child_reads ? 0 : 1];
	st->fd = p[child_reads ? 1 : 0];
	return spawn_nonblock(st->fd);
}

static int
spawn_pipes(struct spawn *s, bool input, int child[3], struct err *e)
{
	if (input) {
		if (stream_open(&s->in, true, &child[0]) != 0)
			return err_sys(e, "SpawnFailed", "make a pipe");
	} else {
		child[0] = open("/dev/null", O_RDONLY | O_CLOEXEC);
		if (child[0] < 0)
			return err_sys(e, "SpawnFailed", "open /dev/null");
	}
	if (stream_open(&s->out, false, &child[1]) != 0 ||
	    stream_open(&s->err, false, &child[2]) != 0)
		return err_sys(e, "SpawnFailed", "make a pipe");
	return 0;
}

/* All events before the child exists: nothing can fail after it. */
static int
spawn_events(struct spawn *s, struct err *e)
{
	struct event_base *base = loop_base(s->loop);
	bool ok;

	s->timer = event_new(base, -1, 0, spawn_timer_cb, s);
	s->out.ev = event_new(base, s->out.fd, EV_READ | EV_PERSIST,
	    spawn_out_cb, s);
	s->err.ev = event_new(base, s->err.fd, EV_READ | EV_PERSIST,
	    spawn_err_cb, s);
	ok = s->timer != NULL && s->out.ev != NULL && s->err.ev != NULL &&
	    event_add(s->out.ev, NULL) == 0 && event_add(s->err.ev, NULL) == 0;
	if (ok && s->in.fd >= 0) {
		s->in.ev = event_new(base, s->in.fd, EV_WRITE | EV_PERSIST,
		    spawn_in_cb, s);
		ok = s->in.ev != NULL && event_add(s->in.ev, NULL) == 0;
	}
	return ok ? 0 : err_set(e, "SpawnFailed", "cannot watch the pipes");
}

static int
spawn_launch(struct spawn *s, const struct spawn_spec *spec, const char *path,
    const int child[3], struct err *e)
{
	struct spawn_fd fds[SPAWN_MAX_FD + 1];
	struct spawn_image image = { .path = path, .argv = spec->argv,
	    .envp = spec->envp, .cwd = spec->cwd, .fds = fds };
	size_t i;

	if (spec->nfds > SPAWN_MAX_FD - 2)
		return err_set(e, "SpawnFailed", "too many descriptors");
	for (i = 0; i < 3; i++)
		fds[i] = (struct spawn_fd){ .child = (int)i,
		    .parent = child[i] };
	for (i = 0; i < spec->nfds; i++)
		fds[3 + i] = spec->fds[i];
	image.nfds = 3 + spec->nfds;
	return spawn_image(&image, &s->pid, e);
}

static struct spawn *
spawn_new(struct loop *l, struct reaper *r, const struct spawn_spec *spec,
    spawn_done_cb *cb, void *arg)
{
	struct spawn *s = xcalloc(1, sizeof(*s));

	s->loop = l;
	s->reaper = r;
	s->cb = cb;
	s->arg = arg;
	s->in.fd = s->out.fd = s->err.fd = -1;
	s->grace = spec->grace > 0 ? spec->grace : 2;
	s->max_out = spec->max_stdout != 0 ? spec->max_stdout : 1024 * 1024;
	s->max_err = spec->max_stderr != 0 ? spec->max_stderr : 64 * 1024;
	s->kill_on_overflow = spec->kill_on_overflow;
	s->secret = spec->secret_output;
	if (spec->input_secret != NULL) {
		s->input_secret = secret_ref(spec->input_secret);
		s->input_len = secret_len(spec->input_secret);
	} else if (spec->input != NULL) {
		s->input = xmemdup0(spec->input, spec->input_len);
		s->input_len = spec->input_len;
	}
	return s;
}

int
spawn_start(struct loop *l, struct reaper *r, const struct spawn_spec *spec,
    spawn_done_cb *cb, void *arg, struct spawn **sp, struct err *e)
{
	int child[3] = { -1, -1, -1 }, rc, i;
	char path[PATH_MAX];
	struct spawn *s;

	if (spawn_resolve_program(spec->argv[0], path, e) != 0)
		return -1;
	s = spawn_new(l, r, spec, cb, arg);
	s->begun = loop_now_fresh(l);
	rc = spawn_pipes(s, s->input != NULL || s->input_secret != NULL,
	    child, e);
	if (rc == 0)
		rc = spawn_events(s, e);
	if (rc == 0)
		rc = spawn_launch(s, spec, path, child, e);
	for (i = 0; i < 3; i++) {
		if (child[i] >= 0)
			close(child[i]);
	}
	if (rc != 0) {
		spawn_release(s);
		return -1;
	}
	reaper_watch(r, s->pid, spawn_reaped_cb, s);
	if (spec->timeout > 0)
		spawn_arm(s, spec->timeout);
	*sp = s;
	return 0;
}

pid_t
spawn_pid(const struct spawn *s)
{
	return s->pid;
}

void
spawn_kill(struct spawn *s, int signo)
{
	if (!s->reaped)
		kill(-s->pid, signo);
}

void
spawn_free(struct spawn *s)
{
	if (s == NULL)
		return;
	if (s->done) {
		s->freed = true;
		return;
	}
	if (!s->reaped || s->out.fd >= 0 || s->err.fd >= 0)
		kill(-s->pid, SIGKILL);
	if (!s->reaped)
		reaper_abandon(s->reaper, s->pid);
	spawn_release(s);
}
