/*
 * load.c - a load generator for line protocols on a Unix socket.
 *
 *	load SOCKET CONNECTIONS PIPELINE SECONDS PID LINE
 *
 * Keeps PIPELINE copies of LINE under way on each connection and counts the
 * lines that come back. "%d" in LINE becomes a running number. Prints
 *	requests-per-second p50-us p99-us cpu-us-per-request
 * the last from /proc/PID/stat: user + system time of the server, which is
 * steady where the rate is not. A reply that begins with {"ok":false ends it.
 */
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define SAMPLES_MAX	4000000
#define PIPELINE_MAX	64

struct conn {
	int fd;
	double sent[PIPELINE_MAX];	/* ring: when each was sent */
	unsigned first, count;
	int cut;			/* a reply came in part */
};

static double samples[SAMPLES_MAX];
static size_t nsamples;
static unsigned long counter;

static double
now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* CPU seconds of a process: fields 14 and 15 of its stat file. */
static double
cpu_of(int pid)
{
	char path[64], text[1024];
	unsigned long user = 0, sys = 0;
	char *p;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	f = fopen(path, "r");
	if (f == NULL)
		return 0;
	if (fgets(text, sizeof(text), f) != NULL) {
		p = strrchr(text, ')');
		if (p != NULL)
			sscanf(p + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u "
			    "%*u %lu %lu", &user, &sys);
	}
	fclose(f);
	return (double)(user + sys) / (double)sysconf(_SC_CLK_TCK);
}

static int
dial(const char *path)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	strncpy(sa.sun_path, path, sizeof(sa.sun_path) - 1);
	if (fd < 0 || connect(fd, (struct sockaddr *)&sa, sizeof(sa)) != 0) {
		perror(path);
		exit(1);
	}
	return fd;
}

/* Send n requests in one write. */
static void
send_requests(struct conn *c, const char *line, unsigned n)
{
	char out[PIPELINE_MAX * 512];
	size_t len = 0;
	double t = now();
	unsigned i;

	for (i = 0; i < n; i++) {
		len += (size_t)snprintf(out + len, sizeof(out) - len, line,
		    (int)(counter++ % 1000000000));
		out[len++] = '\n';
		c->sent[(c->first + c->count++) % PIPELINE_MAX] = t;
	}
	if (write(c->fd, out, len) != (ssize_t)len) {
		perror("write");
		exit(1);
	}
}

/* Read what there is; returns how many replies were complete. */
static unsigned
read_replies(struct conn *c)
{
	static const char bad[] = "{\"ok\":false";
	static char in[1 << 16];
	ssize_t n = read(c->fd, in, sizeof(in));
	const char *p = in, *nl;
	unsigned done = 0;
	double t = now();

	if (n <= 0) {
		fprintf(stderr, "load: the server closed a connection\n");
		exit(1);
	}
	for (; (nl = memchr(p, '\n', (size_t)(in + n - p))) != NULL;
	    p = nl + 1) {
		if (!c->cut && strncmp(p, bad, sizeof(bad) - 1) == 0) {
			fprintf(stderr, "load: %.*s\n", (int)(nl - p), p);
			exit(1);
		}
		c->cut = 0;
		if (c->count == 0)
			continue;
		if (nsamples < SAMPLES_MAX)
			samples[nsamples++] = t - c->sent[c->first];
		c->first = (c->first + 1) % PIPELINE_MAX;
		c->count--;
		done++;
	}
	if (p != in + n)
		c->cut = 1;
	return done;
}

static int
compare(const void *a, const void *b)
{
	double d = *(const double *)a - *(const double *)b;

	return d < 0 ? -1 : d > 0;
}

int
main(int argc, char **argv)
{
	struct epoll_event ev, evs[64];
	double start, end, cpu, seconds;
	struct conn *conns;
	int nconns, pipeline, pid, ep, i, n;
	unsigned long total = 0;
	unsigned done;

	if (argc != 7) {
		fprintf(stderr, "usage: load SOCKET CONNECTIONS PIPELINE "
		    "SECONDS PID LINE\n");
		return 2;
	}
	nconns = atoi(argv[2]);
	pipeline = atoi(argv[3]);
	seconds = atof(argv[4]);
	pid = atoi(argv[5]);
	if (nconns < 1 || pipeline < 1 || pipeline > PIPELINE_MAX)
		return 2;
	conns = calloc((size_t)nconns, sizeof(*conns));
	ep = epoll_create1(0);
	for (i = 0; i < nconns; i++) {
		conns[i].fd = dial(argv[1]);
		ev.events = EPOLLIN;
		ev.data.ptr = &conns[i];
		epoll_ctl(ep, EPOLL_CTL_ADD, conns[i].fd, &ev);
	}
	counter = (unsigned long)getpid() * 1000;
	cpu = cpu_of(pid);
	start = now();
	end = start + seconds;
	for (i = 0; i < nconns; i++)
		send_requests(&conns[i], argv[6], (unsigned)pipeline);
	while (now() < end) {
		n = epoll_wait(ep, evs, 64, 1000);
		for (i = 0; i < n; i++) {
			done = read_replies(evs[i].data.ptr);
			total += done;
			if (done > 0)
				send_requests(evs[i].data.ptr, argv[6], done);
		}
	}
	seconds = now() - start;
	cpu = cpu_of(pid) - cpu;
	qsort(samples, nsamples, sizeof(*samples), compare);
	if (total == 0)
		return 1;
	printf("%.0f %.1f %.1f %.2f\n", (double)total / seconds,
	    samples[nsamples / 2] * 1e6, samples[nsamples * 99 / 100] * 1e6,
	    cpu / (double)total * 1e6);
	return 0;
}
