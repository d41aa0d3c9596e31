/*
 * shim_lines.c - find events in the agent's stdout; see shim_priv.h.
 *
 * A line that starts with '{' is an event. One that is too long is not: it is
 * in the log all the same, and counts as dropped.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "shim_priv.h"

/* More of a line that is not complete. */
static void
lines_keep(struct shim_lines *s, const char *data, size_t len)
{
	if (s->skip || len == 0)
		return;
	if ((s->len == 0 && data[0] != '{') || len > sizeof(s->line) - s->len) {
		s->skip = true;
		s->too_long = s->len > 0 || data[0] == '{';
		s->len = 0;
		return;
	}
	memcpy(s->line + s->len, data, len);
	s->len += len;
}

void
shim_lines_end(struct shim_lines *s, struct shim_link *l)
{
	if (s->len > 0 && s->line[s->len - 1] == '\r')
		s->len--;
	if (s->len > 0)
		shim_link_send(l, 'E', s->line, s->len);
	if (s->too_long)
		l->dropped++;
	s->too_long = false;
	s->len = 0;
	s->skip = false;
}

void
shim_lines_add(struct shim_lines *s, const char *data, size_t len,
    struct shim_link *l)
{
	const char *nl;
	size_t n;

	while ((nl = memchr(data, '\n', len)) != NULL) {
		n = (size_t)(nl - data);
		lines_keep(s, data, n);
		shim_lines_end(s, l);
		data += n + 1;
		len -= n + 1;
	}
	lines_keep(s, data, len);
}

void
shim_ready_read(int *fd, struct shim_link *l)
{
	static const char event[] = "{\"type\":\"colibri_ready\"}";
	char data[256];
	ssize_t n;

	n = read(*fd, data, sizeof(data));
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n > 0 && memchr(data, '\n', (size_t)n) == NULL)
		return;
	if (n > 0)
		shim_link_send(l, 'E', event, strlen(event));
	close(*fd);
	*fd = -1;
}
