/*
 * started.c - how long a server takes from exec to listening, and what it then
 * holds in memory.
 *
 *	started RUNS SOCKET PROGRAM [ARGUMENT ...]
 *
 * Starts it RUNS times after one run that is not counted. Prints
 *	median-ms p90-ms rss-KiB private-KiB
 * the last two from smaps_rollup of the last run; private: the pages that are
 * its own and written to.
 */
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define RUNS_MAX	1000
#define SETTLE_US	300000	/* before memory is looked at */

static double
now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static int
compare(const void *a, const void *b)
{
	double d = *(const double *)a - *(const double *)b;

	return d < 0 ? -1 : d > 0;
}

/* Does the socket take a connection? */
static int
listens(const char *path)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0), rc;

	strncpy(sa.sun_path, path, sizeof(sa.sun_path) - 1);
	rc = connect(fd, (struct sockaddr *)&sa, sizeof(sa));
	close(fd);
	return rc == 0;
}

/* Start it; returns the milliseconds until it listened. */
static double
start(const char *path, char **argv, pid_t *pid)
{
	double begin, limit;

	unlink(path);
	begin = now();
	limit = begin + 10;
	*pid = vfork();
	if (*pid == 0) {
		execv(argv[0], argv);
		_exit(127);
	}
	while (!listens(path)) {
		if (now() > limit || waitpid(*pid, NULL, WNOHANG) != 0) {
			fprintf(stderr, "started: %s does not listen\n",
			    argv[0]);
			exit(1);
		}
		usleep(20);
	}
	return (now() - begin) * 1e3;
}

static void
stop(pid_t pid)
{
	kill(pid, SIGTERM);
	waitpid(pid, NULL, 0);
}

static void
memory(pid_t pid, long *rss, long *private)
{
	char path[64], line[256];
	long kib;
	FILE *f;

	*rss = *private = 0;
	snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", (int)pid);
	f = fopen(path, "r");
	while (f != NULL && fgets(line, sizeof(line), f) != NULL) {
		if (sscanf(line, "Rss: %ld", &kib) == 1)
			*rss = kib;
		else if (sscanf(line, "Private_Dirty: %ld", &kib) == 1)
			*private = kib;
	}
	if (f != NULL)
		fclose(f);
}

int
main(int argc, char **argv)
{
	int runs = argc > 3 ? atoi(argv[1]) : 0, i;
	double ms[RUNS_MAX];
	long rss = 0, private = 0;
	pid_t pid;

	if (runs < 1 || runs > RUNS_MAX)
		return 2;
	for (i = -1; i < runs; i++) {
		ms[i < 0 ? 0 : i] = start(argv[2], argv + 3, &pid);
		if (i == runs - 1) {
			usleep(SETTLE_US);
			memory(pid, &rss, &private);
		}
		stop(pid);
	}
	qsort(ms, (size_t)runs, sizeof(*ms), compare);
	printf("%.2f %.2f %ld %ld\n", ms[runs / 2], ms[runs * 9 / 10], rss,
	    private);
	return 0;
}
