/*
 * spawn.c - how long until a started program's first line is here, and how many
 * can be started in a second.
 *
 *	spawn bare N PROGRAM ARG...	posix_spawn, in this process
 *	spawn colibri N SOCKET REQUEST	the request to the daemon; the first event as
 *					`watch` tells it
 *	spawn rate N CONNS SOCKET REQUEST	N spawns over CONNS connections at once
 *
 * Prints "P50 P90 RATE BEST": microseconds to the first line, programs a second
 * (rate: of the whole; the others: one after the other, with their ends), and the
 * fastest, which is what is left when the machine is busy with others.
 */
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define CONNS_MAX	64
#define LINE_MAX_	65536

extern char **environ;

struct reader {
	int fd;
	char data[LINE_MAX_];
	size_t len;
};

static double
now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec * 1e6 + (double)ts.tv_nsec / 1e3;
}

static void
die(const char *what)
{
	perror(what);
	exit(1);
}

static int
dial(const char *path)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	strncpy(sa.sun_path, path, sizeof(sa.sun_path) - 1);
	if (fd < 0 || connect(fd, (struct sockaddr *)&sa, sizeof(sa)) != 0)
		die(path);
	return fd;
}

/* Read until a line holds text; everything before it is dropped. */
static void
read_until(struct reader *r, const char *text)
{
	char *nl;
	ssize_t n;
	int found;

	for (;;) {
		while ((nl = memchr(r->data, '\n', r->len)) != NULL) {
			*nl = '\0';
			found = strstr(r->data, text) != NULL;
			if (strstr(r->data, "\"ok\":false") != NULL) {
				fprintf(stderr, "%s\n", r->data);
				exit(1);
			}
			r->len -= (size_t)(nl + 1 - r->data);
			memmove(r->data, nl + 1, r->len);
			if (found)
				return;
		}
		if (r->len == sizeof(r->data))
			r->len = 0;
		n = read(r->fd, r->data + r->len, sizeof(r->data) - r->len);
		if (n <= 0)
			die("read");
		r->len += (size_t)n;
	}
}

static int
by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static void
report(double *us, int n, double total)
{
	qsort(us, (size_t)n, sizeof(*us), by_value);
	printf("%.0f %.0f %.1f %.0f\n", us[n / 2], us[n * 9 / 10],
	    n / total * 1e6, us[0]);
}

static void
bare_one(char **argv, double *us)
{
	posix_spawn_file_actions_t fa;
	double t0 = now();
	int fds[2], status;
	pid_t pid;
	char c;

	if (pipe(fds) != 0)
		die("pipe");
	posix_spawn_file_actions_init(&fa);
	posix_spawn_file_actions_adddup2(&fa, fds[1], 1);
	posix_spawn_file_actions_addclose(&fa, fds[0]);
	posix_spawn_file_actions_addclose(&fa, fds[1]);
	if (posix_spawn(&pid, argv[0], &fa, NULL, argv, environ) != 0)
		die(argv[0]);
	posix_spawn_file_actions_destroy(&fa);
	close(fds[1]);
	while (read(fds[0], &c, 1) == 1 && c != '\n')
		;
	*us = now() - t0;
	waitpid(pid, &status, 0);
	close(fds[0]);
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
		fprintf(stderr, "%s failed\n", argv[0]);
		exit(1);
	}
}

static void
colibri_all(int n, const char *path, const char *request, double *us)
{
	static struct reader watch, conn;
	double t0;
	int i;

	watch.fd = dial(path);
	conn.fd = dial(path);
	dprintf(watch.fd, "{\"cmd\":\"watch\"}\n");
	/* The watch is there when a status asked behind it is answered. */
	dprintf(conn.fd, "{\"cmd\":\"status\"}\n");
	read_until(&conn, "\"ok\":true");
	for (i = 0; i < n; i++) {
		t0 = now();
		dprintf(conn.fd, "%s\n", request);
		read_until(&watch, "\"session\"");
		us[i] = now() - t0;
		read_until(&conn, "\"ok\":true");
		read_until(&watch, "\"exited\"");
	}
}

static void
rate_all(int n, int conns, const char *path, const char *request)
{
	static struct reader conn[CONNS_MAX];
	struct pollfd p[CONNS_MAX];
	int i, sent = 0, done = 0;

	for (i = 0; i < conns; i++) {
		p[i].fd = conn[i].fd = dial(path);
		p[i].events = POLLIN;
		dprintf(conn[i].fd, "%s\n", request);
		sent++;
	}
	while (done < n) {
		if (poll(p, (nfds_t)conns, -1) < 0)
			die("poll");
		for (i = 0; i < conns; i++) {
			if (p[i].revents == 0)
				continue;
			read_until(&conn[i], "\"ok\":true");
			done++;
			if (sent < n) {
				dprintf(conn[i].fd, "%s\n", request);
				sent++;
			} else
				p[i].fd = -1;
		}
	}
}

int
main(int argc, char **argv)
{
	int n = argc > 2 ? atoi(argv[2]) : 0, i;
	double *us, t0;

	if (argc < 4 || n < 1)
		return 2;
	signal(SIGPIPE, SIG_IGN);
	us = calloc((size_t)n, sizeof(*us));
	t0 = now();
	if (strcmp(argv[1], "bare") == 0) {
		for (i = 0; i < n; i++)
			bare_one(argv + 3, &us[i]);
	} else if (strcmp(argv[1], "colibri") == 0 && argc == 5) {
		colibri_all(n, argv[3], argv[4], us);
	} else if (strcmp(argv[1], "rate") == 0 && argc == 6) {
		rate_all(n, atoi(argv[3]), argv[4], argv[5]);
	} else
		return 2;
	report(us, n, now() - t0);
	free(us);
	return 0;
}
