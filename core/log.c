/*
 * log.c - the single writer of log lines; see log.h.
 *
 * A line is put together on the stack (log_line.c) and handed to write(2)
 * once. Whoever reads the log must not be able to stop the daemon: a reader
 * that does not keep up costs lines (counted, and reported after the first one
 * that gets through), not time.
 */
#include <sys/stat.h>

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "log.h"
#include "log_line.h"
#include "mem.h"

#define LOG_WAIT_MS	200	/* for a reader that does not keep up */

static struct {
	int fd;
	enum log_level level;
	enum log_format format;
	bool is_file;		/* a write never waits for a reader */
	bool torn;		/* the last line went out without its end */
	unsigned long lost;	/* lines since the last one written */
} logger = { .fd = STDERR_FILENO, .level = LOG_INFO, .format = LOG_TEXT };

static int64_t
log_now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* Wait until the descriptor takes PIPE_BUF bytes without blocking. */
static bool
log_writable(int64_t deadline)
{
	struct pollfd pfd = { .fd = logger.fd, .events = POLLOUT };
	int64_t left;
	int n;

	do {
		left = deadline - log_now_ms();
		n = poll(&pfd, 1, left > 0 ? (int)left : 0);
	} while (n < 0 && errno == EINTR);
	return n > 0;
}

/* One write(2), unless the reader is a pipe or terminal and the line longer
 * than what it is sure to take at once. */
static bool
log_send(const char *p, size_t len)
{
	int64_t deadline = log_now_ms() + (logger.lost > 0 ? 0 : LOG_WAIT_MS);
	size_t chunk, done = 0;
	ssize_t n;

	while (done < len) {
		if (!logger.is_file && !log_writable(deadline))
			break;
		chunk = len - done;
		if (!logger.is_file && chunk > PIPE_BUF)
			chunk = PIPE_BUF;
		n = write(logger.fd, p + done, chunk);
		if (n > 0) {
			done += (size_t)n;
		} else if (n < 0 && errno == EAGAIN &&
		    log_now_ms() < deadline) {
			poll(NULL, 0, 1);	/* not this much yet */
		} else if (n == 0 || errno != EINTR) {
			break;
		}
	}
	if (done > 0)
		logger.torn = done < len;
	return done == len;
}

static void
log_record(struct log_record *r)
{
	char line[LOG_LINE_MAX + 1];
	struct timespec now;
	struct tm tm;
	size_t len;

	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &tm);
	len = strftime(r->ts, sizeof(r->ts), "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(r->ts + len, sizeof(r->ts) - len, ".%03dZ",
	    (int)(now.tv_nsec / 1000000));

	line[0] = '\n';		/* ends a torn line */
	len = log_line(line + 1, r, logger.format);
	line[1 + len++] = '\n';
	if (logger.torn ? log_send(line, len + 1) : log_send(line + 1, len))
		return;
	logger.lost++;
}

void
log_setup(int fd, enum log_level level, enum log_format format)
{
	struct stat st;

	logger.fd = fd;
	logger.level = level;
	logger.format = format;
	logger.is_file = fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
	logger.torn = false;
	logger.lost = 0;
}

bool
log_enabled(enum log_level level)
{
	return level <= logger.level;
}

int
log_level_parse(const char *name, enum log_level *level)
{
	size_t i;

	for (i = 0; i < ARRAY_LEN(log_level_names); i++) {
		if (strcmp(name, log_level_names[i]) == 0) {
			*level = (enum log_level)i;
			return 0;
		}
	}
	return -1;
}

void
log_write(enum log_level level, const char *topic, const char *msg,
    const struct log_field *fields, size_t nfields)
{
	struct log_record r = { .level = level, .topic = topic, .msg = msg,
	    .fields = fields, .nfields = nfields };
	unsigned long lost = logger.lost;
	int saved = errno;
	char count[32];

	if (!log_enabled(level))
		return;
	log_record(&r);
	if (lost > 0 && logger.lost == lost) {
		struct log_field field = { "count", count };
		struct log_record note = { .level = LOG_WARN, .topic = "log",
		    .msg = "lines were lost before the last one",
		    .fields = &field, .nfields = 1 };

		snprintf(count, sizeof(count), "%lu", lost);
		logger.lost = 0;
		log_record(&note);
		logger.lost += logger.lost > 0 ? lost : 0;
	}
	errno = saved;
}

/* The whole message, however long: the redaction must see all of a secret. */
static void
log_vwrite(enum log_level level, const char *topic, const char *fmt,
    va_list ap)
{
	char small[512], *msg = small;
	int saved = errno, len;
	va_list again;

	va_copy(again, ap);
	len = vsnprintf(small, sizeof(small), fmt, ap);
	if (len >= (int)sizeof(small)) {
		msg = xmalloc((size_t)len + 1);
		vsnprintf(msg, (size_t)len + 1, fmt, again);
	}
	va_end(again);
	log_write(level, topic, len < 0 ? fmt : msg, NULL, 0);
	if (msg != small)
		free(msg);
	errno = saved;
}

#define LOG_DEFINE(name, level)						\
void									\
name(const char *topic, const char *fmt, ...)				\
{									\
	va_list ap;							\
									\
	if (!log_enabled(level))					\
		return;							\
	va_start(ap, fmt);						\
	log_vwrite(level, topic, fmt, ap);				\
	va_end(ap);							\
}

LOG_DEFINE(log_error, LOG_ERROR)
LOG_DEFINE(log_warn, LOG_WARN)
LOG_DEFINE(log_info, LOG_INFO)
LOG_DEFINE(log_debug, LOG_DEBUG)

void
log_fatal(const char *topic, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	log_vwrite(LOG_ERROR, topic, fmt, ap);
	va_end(ap);
	abort();
}
